//! The network's layers as plain text that lines up.

use std::fmt::Write;

use crate::learn::{INPUT, Layer, Operation};

/// The layers for people: what each does, what comes out, its parameters and its multiply-adds for one image.
#[must_use]
pub fn layers_text(layers: &[Layer]) -> String {
    let mut text = String::from("layer  operation           output   parameters  multiply-adds\n");
    let mut row = |name: &str, operation: &str, output: &str, numbers: Option<(usize, usize)>| {
        let line = match numbers {
            Some((parameters, work)) => {
                format!("{name:<6} {operation:<18}  {output:<8} {parameters:>10}  {work:>13}")
            }
            None => format!("{name:<6} {operation:<18}  {output:<8}"),
        };
        let _ = writeln!(text, "{}", line.trim_end());
    };
    row("input", "", &shape(&INPUT), None);
    for layer in layers {
        let numbers = (layer.parameters, layer.multiply_adds);
        let name = layer.name.as_deref().unwrap_or_default();
        let output = shape(&layer.output);
        row(name, &operation(&layer.operation), &output, Some(numbers));
    }
    row("total", "", "", Some(totals(layers)));
    text
}

fn totals(layers: &[Layer]) -> (usize, usize) {
    let parameters = layers.iter().map(|layer| layer.parameters).sum();
    (
        parameters,
        layers.iter().map(|layer| layer.multiply_adds).sum(),
    )
}

fn operation(operation: &Operation) -> String {
    match operation {
        Operation::Convolution([.., kernel]) => format!("convolution {kernel}x{kernel}"),
        Operation::MaxPoolRelu => "max-pool 2x2, ReLU".to_owned(),
        Operation::Flatten => "flatten".to_owned(),
        Operation::Dense(_) => "dense".to_owned(),
    }
}

fn shape(output: &[usize]) -> String {
    let sizes: Vec<String> = output.iter().map(ToString::to_string).collect();
    sizes.join("x")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::learn::Architecture;

    #[test]
    fn the_table_has_a_row_per_layer_and_the_totals() {
        let expected = "\
layer  operation           output   parameters  multiply-adds
input                      1x28x28
conv1  convolution 3x3     4x28x28          40          28224
       max-pool 2x2, ReLU  4x14x14           0              0
       flatten             784               0              0
dense  dense               10             7850           7840
total                                     7890          36064
";
        assert_eq!(
            layers_text(&Architecture::new(vec![4], 10).unwrap().layers()),
            expected
        );
    }
}
