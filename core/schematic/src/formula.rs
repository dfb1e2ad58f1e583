//! The text of expressions: numbers, `+ - * / ^ **`, parentheses, functions, `pi`, `e` and `settings.name`.

use crate::{Expr, Function, Operator};
use std::ops::Range;

/// Longest expression, bytes.
pub(crate) const MAX_EXPRESSION: usize = 1000;
/// Deepest nesting of parentheses, functions, signs and powers.
const MAX_NESTING: usize = 50;

/// What is wrong with an expression, and which bytes of it.
#[derive(Debug, PartialEq)]
pub(crate) struct Fault {
    pub(crate) range: Range<usize>,
    pub(crate) message: String,
    pub(crate) help: Option<String>,
}

impl Fault {
    fn new(range: Range<usize>, message: impl Into<String>) -> Self {
        Fault { range, message: message.into(), help: None }
    }
}

type Parsed<T> = Result<T, Fault>;

/// Gives the slot of a setting by its name, or says (message, help) why there is none.
pub(crate) type Lookup<'a> = &'a dyn Fn(&str) -> Result<usize, (String, Option<String>)>;

/// Compiles an expression; parts without slots are computed.
pub(crate) fn compile(text: &str, lookup: Lookup) -> Parsed<Expr> {
    if text.len() > MAX_EXPRESSION {
        let message = format!("the expression has {} bytes; at most {MAX_EXPRESSION} are read", text.len());
        return Err(Fault::new(0..text.len(), message));
    }
    let mut parser = Parser { tokens: tokens(text)?, next: 0, end: text.len(), nesting: 0, lookup };
    let expr = parser.sum()?;
    match parser.peek() {
        None => Ok(expr),
        Some(token) => Err(Fault::new(token.range.clone(), format!("`{}` was not expected here", token.text))),
    }
}

#[derive(Clone, Copy, PartialEq)]
enum Kind {
    Number(f64),
    Name,
    Symbol,
}

#[derive(Clone)]
struct Token<'t> {
    kind: Kind,
    text: &'t str,
    range: Range<usize>,
}

fn tokens(text: &str) -> Parsed<Vec<Token<'_>>> {
    let bytes = text.as_bytes();
    let mut tokens = Vec::new();
    let mut at = 0;
    while at < bytes.len() {
        let run =
            |from: usize, fits: &dyn Fn(u8) -> bool| from + bytes[from..].iter().take_while(|b| fits(**b)).count();
        let digits = |from: usize| run(from, &|b| b.is_ascii_digit());
        let (kind, end) = match bytes[at] {
            b' ' | b'\t' | b'\n' | b'\r' => {
                at += 1;
                continue;
            }
            b'0'..=b'9' | b'.' => {
                let mut end = digits(at);
                if bytes.get(end) == Some(&b'.') {
                    end = digits(end + 1);
                }
                if matches!(bytes.get(end), Some(b'e' | b'E')) {
                    let sign = usize::from(matches!(bytes.get(end + 1), Some(b'+' | b'-')));
                    let exponent = digits(end + 1 + sign);
                    end = if exponent > end + 1 + sign { exponent } else { end };
                }
                let value = text[at..end].parse();
                let value = value.map_err(|_| Fault::new(at..end, format!("`{}` is not a number", &text[at..end])))?;
                (Kind::Number(value), end)
            }
            b if b.is_ascii_alphabetic() || b == b'_' => {
                (Kind::Name, run(at, &|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'.'))
            }
            b'*' if bytes.get(at + 1) == Some(&b'*') => (Kind::Symbol, at + 2),
            b'+' | b'-' | b'*' | b'/' | b'^' | b'(' | b')' | b',' => (Kind::Symbol, at + 1),
            _ => {
                let c = text[at..].chars().next().unwrap_or(' ');
                return Err(Fault::new(at..at + c.len_utf8(), format!("`{c}` has no meaning in an expression")));
            }
        };
        tokens.push(Token { kind, text: &text[at..end], range: at..end });
        at = end;
    }
    Ok(tokens)
}

struct Parser<'t, 'l> {
    tokens: Vec<Token<'t>>,
    next: usize,
    end: usize,
    nesting: usize,
    lookup: Lookup<'l>,
}

impl<'t> Parser<'t, '_> {
    fn peek(&self) -> Option<&Token<'t>> {
        self.tokens.get(self.next)
    }

    /// Takes the next token if it is one of `symbols`.
    fn symbol(&mut self, symbols: &[&str]) -> Option<Token<'t>> {
        let token = self.peek().filter(|t| t.kind == Kind::Symbol && symbols.contains(&t.text))?.clone();
        self.next += 1;
        Some(token)
    }

    fn sum(&mut self) -> Parsed<Expr> {
        let mut left = self.product()?;
        while let Some(token) = self.symbol(&["+", "-"]) {
            let operator = if token.text == "+" { Operator::Add } else { Operator::Subtract };
            left = binary(operator, left, self.product()?, &token)?;
        }
        Ok(left)
    }

    fn product(&mut self) -> Parsed<Expr> {
        let mut left = self.signed()?;
        while let Some(token) = self.symbol(&["*", "/"]) {
            let operator = if token.text == "*" { Operator::Multiply } else { Operator::Divide };
            left = binary(operator, left, self.signed()?, &token)?;
        }
        Ok(left)
    }

    /// -2^2 is -(2^2).
    fn signed(&mut self) -> Parsed<Expr> {
        let Some(token) = self.symbol(&["-", "+"]) else { return self.power() };
        let inner = self.nested(&token, Self::signed)?;
        if token.text == "-" { call(Function::Negate, inner, &token) } else { Ok(inner) }
    }

    /// 2^3^2 is 2^(3^2).
    fn power(&mut self) -> Parsed<Expr> {
        let base = self.atom()?;
        let Some(token) = self.symbol(&["^", "**"]) else { return Ok(base) };
        let exponent = self.nested(&token, Self::signed)?;
        binary(Operator::Power, base, exponent, &token)
    }

    fn nested<T>(&mut self, at: &Token, inner: impl FnOnce(&mut Self) -> Parsed<T>) -> Parsed<T> {
        self.nesting += 1;
        if self.nesting > MAX_NESTING {
            let message = format!("the expression is nested more than {MAX_NESTING} deep");
            return Err(Fault::new(at.range.clone(), message));
        }
        let value = inner(self);
        self.nesting -= 1;
        value
    }

    fn atom(&mut self) -> Parsed<Expr> {
        let Some(token) = self.peek().cloned() else {
            return Err(Fault::new(self.end..self.end, "the expression ends where a value was expected"));
        };
        self.next += 1;
        match token.kind {
            Kind::Number(value) => Ok(Expr::Constant(value)),
            Kind::Symbol if token.text == "(" => {
                let inner = self.nested(&token, Self::sum)?;
                self.close(&token)?;
                Ok(inner)
            }
            Kind::Symbol => Err(Fault::new(token.range, format!("expected a value, found `{}`", token.text))),
            Kind::Name => match self.symbol(&["("]) {
                Some(open) => self.function(&token, &open),
                None => self.name(&token),
            },
        }
    }

    fn close(&mut self, open: &Token) -> Parsed<()> {
        match self.symbol(&[")"]) {
            Some(_) => Ok(()),
            None => Err(Fault::new(open.range.clone(), "this parenthesis is not closed")),
        }
    }

    fn name(&self, token: &Token) -> Parsed<Expr> {
        match token.text {
            "pi" => return Ok(Expr::Constant(std::f64::consts::PI)),
            "e" => return Ok(Expr::Constant(std::f64::consts::E)),
            _ => {}
        }
        if let Some(setting) = token.text.strip_prefix("settings.") {
            let slot = (self.lookup)(setting);
            return slot.map(Expr::Slot).map_err(|(message, help)| Fault { range: token.range.clone(), message, help });
        }
        let help = if (self.lookup)(token.text).is_ok() {
            format!("did you mean `settings.{}`?", token.text)
        } else if FUNCTIONS.iter().any(|(name, _)| *name == token.text) || matches!(token.text, "min" | "max") {
            format!("`{}` is a function: write `{0}(...)`", token.text)
        } else {
            String::from("names are `settings.NAME`, `pi` and `e`")
        };
        let message = format!("unknown name `{}`", token.text);
        Err(Fault { help: Some(help), ..Fault::new(token.range.clone(), message) })
    }

    fn function(&mut self, name: &Token, open: &Token) -> Parsed<Expr> {
        let mut arguments = vec![self.nested(open, Self::sum)?];
        while self.symbol(&[","]).is_some() {
            arguments.push(self.nested(open, Self::sum)?);
        }
        self.close(open)?;
        let several = match name.text {
            "min" => Some(Operator::Min),
            "max" => Some(Operator::Max),
            _ => None,
        };
        if let Some(operator) = several {
            let mut arguments = arguments.into_iter();
            let first = arguments.next().unwrap_or(Expr::Constant(0.0));
            return arguments.try_fold(first, |left, right| binary(operator, left, right, name));
        }
        let Some((_, function)) = FUNCTIONS.iter().find(|(known, _)| *known == name.text) else {
            let known = FUNCTIONS.iter().map(|(known, _)| *known).chain(["min", "max"]);
            let help = blackbeam_source::did_you_mean(name.text, known.clone());
            let help = help.unwrap_or_else(|| format!("there are {}", known.collect::<Vec<_>>().join(", ")));
            let message = format!("unknown function `{}`", name.text);
            return Err(Fault { help: Some(help), ..Fault::new(name.range.clone(), message) });
        };
        let count = arguments.len();
        match arguments.pop() {
            Some(argument) if count == 1 => call(*function, argument, name),
            _ => Err(Fault::new(name.range.clone(), format!("`{}` takes one value, not {count}", name.text))),
        }
    }
}

const FUNCTIONS: [(&str, Function); 9] = [
    ("sin", Function::Sin),
    ("cos", Function::Cos),
    ("tan", Function::Tan),
    ("exp", Function::Exp),
    ("ln", Function::Ln),
    ("log", Function::Ln),
    ("log10", Function::Log10),
    ("sqrt", Function::Sqrt),
    ("abs", Function::Abs),
];

fn call(function: Function, x: Expr, at: &Token) -> Parsed<Expr> {
    fold(Expr::Call(function, Box::new(x)), at)
}

fn binary(operator: Operator, x: Expr, y: Expr, at: &Token) -> Parsed<Expr> {
    if operator == Operator::Divide && y == Expr::Constant(0.0) {
        return Err(Fault::new(at.range.clone(), "division by zero"));
    }
    fold(Expr::Binary(operator, Box::new(x), Box::new(y)), at)
}

/// Computes what has only constants in it.
fn fold(expr: Expr, at: &Token) -> Parsed<Expr> {
    let is_constant = match &expr {
        Expr::Call(_, x) => matches!(**x, Expr::Constant(_)),
        Expr::Binary(_, x, y) => matches!((&**x, &**y), (Expr::Constant(_), Expr::Constant(_))),
        _ => false,
    };
    if !is_constant {
        return Ok(expr);
    }
    let value: f64 = expr.eval(&[]);
    if !value.is_finite() {
        return Err(Fault::new(at.range.clone(), format!("`{}` gives {value} here, not a finite number", at.text)));
    }
    Ok(Expr::Constant(value))
}

#[cfg(test)]
mod tests {
    use super::*;
    use blackbeam_components::Dual;

    fn lookup(name: &str) -> Result<usize, (String, Option<String>)> {
        match name {
            "a" => Ok(0),
            "ring.b" => Ok(1),
            _ => Err((format!("there is no setting `{name}`"), None)),
        }
    }

    fn value(text: &str) -> f64 {
        compile(text, &lookup).unwrap_or_else(|fault| panic!("{text}: {fault:?}")).eval(&[3.0, 0.25])
    }

    #[test]
    fn values() {
        let cases = [
            ("1 + 2 * 3", 7.0),
            ("(1 + 2) * 3", 9.0),
            ("-2^2", -4.0),
            ("2^3^2", 512.0),
            ("2**-1", 0.5),
            ("8 / 2 / 2", 2.0),
            ("7 - 2 - 1", 4.0),
            ("2 - -3", 5.0),
            ("1e-3 * 1.5E3 + .5", 2.0),
            ("settings.a * settings.ring.b", 0.75),
            ("settings.a ^ 2", 9.0),
            ("settings.a ^ -1", 1.0 / 3.0),
            ("4 ^ settings.ring.b", std::f64::consts::SQRT_2),
            ("min(3, settings.ring.b, 2) + max(1, settings.a)", 3.25),
            ("abs(-settings.a)", 3.0),
            ("log10(1000)", 3.0),
            ("ln(exp(2))", 2.0),
            ("sqrt(settings.a ^ 2)", 3.0),
            ("sin(pi/2) + cos(0) + tan(pi/4)", 3.0),
            ("e", std::f64::consts::E),
        ];
        for (text, expected) in cases {
            assert!((value(text) - expected).abs() < 1e-14 * expected.abs().max(1.0), "{text}: {}", value(text));
        }
    }

    #[test]
    fn constants_are_folded_and_slots_are_not() {
        assert_eq!(compile("2 * (3 + 4)", &lookup), Ok(Expr::Constant(14.0)));
        assert_eq!(compile("settings.a", &lookup), Ok(Expr::Slot(0)));
        assert_eq!(compile("0 * settings.a", &lookup).unwrap().constant(), None);
    }

    #[test]
    fn derivatives_are_those_of_the_formula() {
        // against central differences
        for text in [
            "sin(settings.a) * exp(-settings.a)",
            "settings.a ^ 2.5",
            "tan(settings.a) / log10(settings.a)",
            "abs(1 - settings.a) + sqrt(settings.a)",
            "max(settings.a, 1) ^ 3",
        ] {
            let expr = compile(text, &lookup).unwrap();
            let derivative = expr.eval(&[Dual { v: 3.0, d: 1.0 }, Dual { v: 0.0, d: 0.0 }]).d;
            let step = 1e-5;
            let difference = (expr.eval(&[3.0 + step, 0.0]) - expr.eval(&[3.0 - step, 0.0])) / (2.0 * step);
            assert!((derivative - difference).abs() < 1e-8 * (1.0 + difference.abs()), "{text}");
        }
        let zero = compile("settings.a ^ 2", &lookup).unwrap().eval(&[Dual { v: 0.0, d: 1.0 }; 2]);
        assert_eq!(zero.d, 0.0);
    }

    #[test]
    fn faults_say_where() {
        let cases = [
            ("1 + ", "", "ends where a value was expected"),
            ("1 + * 2", "*", "expected a value"),
            ("(1 + 2", "(", "not closed"),
            ("1 2", "2", "not expected"),
            ("1 / (2 - 2)", "/", "division by zero"),
            ("settings.c + 1", "settings.c", "no setting `c`"),
            ("a * 2", "a", "unknown name `a`"),
            ("sine(1)", "sine", "unknown function"),
            ("sin(1, 2)", "sin", "takes one value"),
            ("sqrt(-1)", "sqrt", "not a finite number"),
            ("1 % 2", "%", "no meaning"),
            ("1.2.3", ".3", "not expected"),
            ("µ", "µ", "no meaning"),
        ];
        for (text, at, message) in cases {
            let fault = compile(text, &lookup).unwrap_err();
            assert_eq!(&text[fault.range.clone()], at, "{text}: {fault:?}");
            assert!(fault.message.contains(message), "{text}: {fault:?}");
        }
        assert_eq!(compile("a", &lookup).unwrap_err().help.unwrap(), "did you mean `settings.a`?");
        assert_eq!(compile("sqr(2)", &lookup).unwrap_err().help.unwrap(), "did you mean `sqrt`?");
    }

    #[test]
    fn size_and_depth_are_bounded() {
        for text in ["(".repeat(900), "-".repeat(900), "2^".repeat(450), "sin(".repeat(240), "1+".repeat(600)] {
            assert!(compile(&text, &lookup).is_err());
        }
        let sum = format!("settings.a{}", "+settings.a".repeat(80));
        assert_eq!(value(&sum), 243.0);
    }
}
