//! Shapes and what does not fit.

use super::*;

fn read(text: &str) -> Vec<Layer> {
    serde_saphyr::from_str(text).unwrap()
}

fn widths(name: &str) -> Option<(usize, usize)> {
    (name == "mesh").then_some((64, 48))
}

fn ends(text: &str, input: &[usize]) -> Result<(Vec<usize>, usize), LayerError> {
    let layers = read(text);
    let shapes = shapes(&layers, input, &widths)?;
    Ok((shapes.last().unwrap().output.clone(), shapes.iter().map(|s| s.parameters).sum()))
}

#[test]
fn shapes_and_parameter_counts() {
    // the 2586-parameter network of Sawada's table 1
    let cnn = "[{conv2d: {out: 7, kernel: 4}}, {max_pool: {kernel: 2}}, {conv2d: {out: 9, kernel: 4}},
                {max_pool: {kernel: 2}}, flatten, {linear: {out: 10}}]";
    assert_eq!(ends(cnn, &[1, 28, 28]).unwrap(), (vec![10], 2586));
    let mlp = "[flatten, {linear: {out: 64}}, relu, {device: {name: mesh, out: 64}}, bias, relu, {linear: {out: 10}}]";
    assert_eq!(ends(mlp, &[1, 28, 28]).unwrap(), (vec![10], 785 * 64 + 1 + 64 + 650));
    let tokens =
        "[{embedding: {vocabulary: 65, dim: 8}}, {residual: {layers: [layer_norm, {device: {name: mesh, out: 8}}]}},
                   {linear: {out: 65}}]";
    assert_eq!(ends(tokens, &[16]).unwrap(), (vec![16, 65], 65 * 8 + 16 + 1 + 9 * 65));
    // the tensor trains of Zhao's table 2, and the mixer of Sawada's table 1
    for (rank, parameters) in [(6, 3962), (10, 8314)] {
        let tt = format!(
            "[flatten, {{tt: {{modes_in: [7, 4, 4, 7], modes_out: [8, 4, 4, 8], ranks: {rank}}}}}, relu,
              {{tt: {{modes_in: [8, 4, 4, 8], modes_out: [1, 5, 2, 1], ranks: {rank}}}}}]"
        );
        assert_eq!(ends(&tt, &[1, 28, 28]).unwrap(), (vec![10], parameters));
    }
    let block = "{mixer: {tokens: 64, channels: 32}}";
    let mixer = format!(
        "[{{conv2d: {{out: 32, kernel: 4, stride: 4}}}}, tokens, {block}, {block}, {block}, layer_norm, mean, {{linear: {{out: 10}}}}]"
    );
    assert_eq!(ends(&mixer, &[3, 32, 32]).unwrap(), (vec![10], 33_642));
    assert_eq!(ends("[{reshape: {shape: [2, 6]}}]", &[3, 4]).unwrap().0, [2, 6]);
    assert_eq!(ends("[complex, magnitude, complex, power]", &[3, 4]).unwrap(), (vec![3, 4], 0));
    assert_eq!(ends("[{device: {name: mesh}}]", &[3, 5, 7]).unwrap().0, [3, 5, 48]);
    assert_eq!(ends("[{adaptive_avg_pool: {size: [8, 8]}}, batch_norm]", &[3, 28, 28]).unwrap(), (vec![3, 8, 8], 6));
    assert_eq!(ends("[{linear: {out: 4, share: a}}, {linear: {out: 4, share: a}}]", &[4]).unwrap().1, 20);
}

#[test]
fn networks_on_a_device() {
    let circuits = |name: &str| ["U", "V", "W"].contains(&name).then_some((16, if name == "W" { 8 } else { 16 }));
    let on_device = |text: &str, input: &[usize]| {
        let layers = read(text);
        let shapes = shapes_on_device(&layers, input, &circuits)?;
        Ok::<_, LayerError>((shapes.last().unwrap().output.clone(), shapes.iter().map(|s| s.parameters).sum()))
    };
    let equalizer = "[phases, {svd: {right: V, left: U}}, phases, magnitude]";
    assert_eq!(on_device(equalizer, &[32]).unwrap(), (vec![16], 48));
    let memory = "[{resize: {out: 16}}, complex, {circuit: {name: V}},
                   {recurrent: {layers: [phases, {circuit: {name: U}}], activation: mod_relu}}, {circuit: {name: W}}, power]";
    assert_eq!(on_device(memory, &[120, 10]).unwrap(), (vec![120, 8], 32));
    for (text, input, words) in [
        ("[{circuit: {name: X}}]", &[32][..], "no instance `X`"),
        ("[{circuit: {name: V}}]", &[34], "has 16 inputs, but 17"),
        ("[{recurrent: {layers: [{circuit: {name: W}}]}}]", &[3, 32], "but give 16"),
        ("[{recurrent: {layers: [relu]}}]", &[3, 32], "layer 0 of its `layers` (`relu`)"),
        ("[{device: {name: U}}]", &[32], "holds no other device"),
    ] {
        let error = on_device(text, input).unwrap_err();
        assert!(error.message.contains(words), "{text}: {error}");
    }
}

#[test]
fn what_does_not_fit_is_named_with_its_place() {
    for (text, input, path, words) in [
        ("[flatten, {conv2d: {out: 2, kernel: 3}}]", &[1, 8, 8][..], &[1][..], "[channels, height, width]"),
        ("[{conv2d: {out: 2, kernel: 9}}]", &[1, 8, 8], &[0], "kernel of 9"),
        ("[relu, {residual: {layers: [relu, {linear: {out: 3}}]}}]", &[4], &[1], "[4], but give [3]"),
        ("[relu, {residual: {layers: [relu, {linear: {out: 0}}]}}]", &[4], &[1, 1], "`out` must be at least 1"),
        ("[{device: {name: mush}}]", &[4], &[0], "no device `mush`"),
        ("[relu, {embedding: {vocabulary: 3, dim: 2}}]", &[4], &[1], "first layer"),
        ("[{dropout: {p: 1.0}}]", &[4], &[0], "less than 1"),
        ("[{max_pool: {kernel: 2, stride: 0}}]", &[1, 4, 4], &[0], "`stride`"),
        ("[{linear: {out: 1000000000000}}]", &[4], &[0], "too large"),
        ("[{linear: {out: 4, share: a}}, {linear: {out: 5, share: a}}]", &[4], &[1], "before 4 to 4"),
        ("[relu]", &[0], &[], "length 0"),
        ("[{reshape: {shape: [2, 3]}}]", &[5], &[0], "does not hold the 5 elements"),
        ("[{tt: {modes_in: [2, 2], modes_out: [2, 2], ranks: 2}}]", &[5], &[0], "make 4 features, but 5"),
        ("[{tt: {modes_in: [2, 2], modes_out: [2, 2], ranks: [2, 2]}}]", &[4], &[0], "has 1 ranks, found 2"),
        ("[{tt: {modes_in: [2, 2], modes_out: [4], ranks: 2}}]", &[4], &[0], "found 2 and 1"),
        ("[{tt: {modes_in: [2, 2], modes_out: [2, 2], ranks: 0}}]", &[4], &[0], "`ranks` must be at least 1"),
        ("[{mixer: {tokens: 2, channels: 2}}]", &[4], &[0], "[positions, features]"),
        ("[magnitude]", &[3], &[0], "(re, im) pairs"),
        ("[{circuit: {name: U}}]", &[4], &[0], "`network` of a device file only"),
    ] {
        let error = ends(text, input).unwrap_err();
        assert_eq!(error.path, path, "{text}: {error}");
        assert!(error.message.contains(words), "{text}: {error}");
    }
    let error = ends("[relu, {residual: {layers: [relu, {linear: {out: 0}}]}}]", &[4]).unwrap_err();
    assert_eq!(error.to_string(), "layers[1].residual.layers[1]: `out` must be at least 1");
}
