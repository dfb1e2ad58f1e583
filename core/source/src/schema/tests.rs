use super::validate;
use crate::{Diagnostics, Source};
use serde_json::{Value as Json, json};

fn found(text: &str, schema: &Json) -> Vec<String> {
    let source = Source::new("x", text);
    let mut found = Diagnostics::new(&source);
    validate(&source.parse().unwrap(), schema, &mut found);
    let shown = |d: &crate::Diagnostic| {
        let place = d.span.map_or(String::new(), |s| source.slice(s).to_string());
        format!("{} @ {place}{}", d.message, d.help.iter().map(|h| format!(" | {h}")).collect::<String>())
    };
    found.iter().map(shown).collect()
}

/// What schemars writes for a struct with an internally tagged enum, an externally tagged one, and options.
fn training() -> Json {
    json!({
        "definitions": {
            "Schedule": {"oneOf": [
                {"type": "object", "properties": {"type": {"type": "string", "const": "cosine"}, "floor": {"type": "number"}},
                 "required": ["type", "floor"], "additionalProperties": false},
                {"type": "object", "properties": {"type": {"type": "string", "const": "step"}},
                 "required": ["type"], "allOf": [{"$ref": "#/definitions/Step"}]},
            ]},
            "Step": {"type": "object", "properties": {"every": {"type": "integer", "minimum": 1}}, "required": ["every"],
                     "additionalProperties": false},
            "Optimizer": {"oneOf": [
                {"type": "string", "enum": ["sgd", "plain"]},
                {"type": "object", "properties": {"adam": {"type": "object", "properties": {"lr": {"type": "number", "exclusiveMinimum": 0.0}},
                 "additionalProperties": false}}, "required": ["adam"], "additionalProperties": false},
                {"type": "object", "properties": {"lion": {"type": "object"}}, "required": ["lion"], "additionalProperties": false},
            ]},
        },
        "type": "object",
        "properties": {
            "epochs": {"type": "integer", "minimum": 1.0},
            "clip": {"type": ["number", "null"]},
            "schedule": {"anyOf": [{"$ref": "#/definitions/Schedule"}, {"type": "null"}]},
            "optimizer": {"allOf": [{"$ref": "#/definitions/Optimizer"}]},
            "mu": {"anyOf": [{"type": "number"}, {"const": "auto"}]},
            "range": {"type": "array", "items": {"type": "number"}, "minItems": 2, "maxItems": 2},
            "named": {"type": "object", "additionalProperties": {"type": "integer"}},
        },
        "required": ["epochs"],
        "additionalProperties": false,
    })
}

#[test]
fn what_fits_has_no_errors() {
    for text in [
        "epochs: 3",
        "{epochs: 3.0, clip: null, schedule: {type: cosine, floor: 0}, optimizer: sgd, mu: auto, range: [0, 1]}",
        "{epochs: 3, schedule: {type: step, every: 2}, optimizer: {adam: {lr: 1e-3}}, mu: 0.1, named: {a: 1}}",
        "{epochs: 3, schedule: ~, optimizer: {lion: {}}}",
    ] {
        assert_eq!(found(text, &training()), [""; 0], "{text}");
    }
}

#[test]
fn errors_say_where_and_what() {
    let cases = [
        ("{}", "missing key `epochs` @ {}"),
        ("[1]", "expected a mapping, found a list @ [1]"),
        (
            "{epochs: 1, epoch: 2}",
            "unknown key `epoch` @ epoch | did you mean `epochs`? | known keys: `epochs`, `clip`, `schedule`, `optimizer`, \
             `mu`, `range` and `named`",
        ),
        ("epochs: 2.5", "expected an integer, found a number @ 2.5"),
        ("epochs: '2'", "expected an integer, found a string @ '2' | take the quotes away to make it a number"),
        ("epochs: 0", "the number must be at least 1 @ 0"),
        ("{epochs: 1, clip: x}", "expected a number, found a string @ x"),
        (
            "{epochs: 1, schedule: {type: cosin, floor: 1}}",
            "unknown value `cosin` @ cosin | did you mean `cosine`? | expected `cosine` or `step`",
        ),
        ("{epochs: 1, schedule: {floor: 1}}", "missing key `type` @ {floor: 1} | expected one of `cosine` or `step`"),
        ("{epochs: 1, schedule: {type: cosine, floor: x}}", "expected a number, found a string @ x"),
        (
            "{epochs: 1, schedule: {type: step, every: 1, evry: 1}}",
            "unknown key `evry` @ evry | did you mean `every`? | known keys: `type` and `every`",
        ),
        ("{epochs: 1, schedule: {type: step, every: 0}}", "the number must be at least 1 @ 0"),
        ("{epochs: 1, schedule: 3}", "expected a mapping, found an integer @ 3"),
        ("{epochs: 1, optimizer: sdg}", "unknown value `sdg` @ sdg | did you mean `sgd`? | expected `sgd` or `plain`"),
        (
            "{epochs: 1, optimizer: {adm: {}}}",
            "unknown key `adm` @ adm | did you mean `adam`? | known keys: `adam` and `lion`",
        ),
        ("{epochs: 1, optimizer: {adam: {lr: 0}}}", "the number must be greater than 0 @ 0"),
        ("{epochs: 1, mu: atuo}", "unknown value `atuo` @ atuo | did you mean `auto`? | expected `auto`"),
        ("{epochs: 1, range: [1]}", "expected exactly 2 elements, found 1 @ [1]"),
        ("{epochs: 1, range: [1, a]}", "expected a number, found a string @ a"),
        ("{epochs: 1, named: {a: x}}", "expected an integer, found a string @ x"),
    ];
    for (text, message) in cases {
        assert_eq!(found(text, &training()), [message], "{text}");
    }
}

#[test]
fn all_errors_at_once() {
    let errors = found("{epochs: 0, clip: x, rage: 1, schedule: {type: step}, range: [a, b, c]}", &training());
    assert_eq!(errors.len(), 8, "{errors:#?}");
}

#[test]
fn schemas_that_refer_to_themselves_end() {
    let layer = json!({"definitions": {"Layer": {"oneOf": [
        {"type": "object", "properties": {"type": {"const": "relu"}}, "required": ["type"], "additionalProperties": false},
        {"type": "object", "properties": {"type": {"const": "residual"}, "layers": {"type": "array", "items": {"$ref": "#/definitions/Layer"}}},
         "required": ["type", "layers"], "additionalProperties": false},
    ]}}, "$ref": "#/definitions/Layer"});
    let text = "{type: residual, layers: [{type: residual, layers: [{type: relux}]}]}";
    assert_eq!(
        found(text, &layer),
        ["unknown value `relux` @ relux | did you mean `relu`? | expected `relu` or `residual`"]
    );
    let looped = json!({"definitions": {"A": {"allOf": [{"$ref": "#/definitions/A"}]}, "B": {"anyOf": [{"$ref": "#/definitions/B"}]}},
        "properties": {"a": {"$ref": "#/definitions/A"}, "b": {"$ref": "#/definitions/B"}}});
    found("{a: 1, b: 2}", &looped);
}
