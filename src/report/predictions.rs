//! `predictions.csv`: what a network says to every image, down to its logits.

use anyhow::Result;

use crate::learn::answer::Answer;

/// A row per image: its place (from 0), true and predicted label, the prediction's probability, and a logit per class
/// as exactly as 32-bit floats are.
///
/// # Errors
/// Only when the csv library refuses.
pub fn predictions_csv<Row: AsRef<[f32]>>(labels: &[u8], logits: &[Row]) -> Result<Vec<u8>> {
    let mut rows = csv::Writer::from_writer(Vec::new());
    let classes = logits.first().map_or(0, |row| row.as_ref().len());
    let names = ["image", "true_label", "predicted_label", "probability"].map(str::to_owned);
    let columns = (0..classes).map(|class| format!("logit_{class}"));
    rows.write_record(names.into_iter().chain(columns))?;
    for (image, (label, logits)) in labels.iter().zip(logits).enumerate() {
        let (predicted, probability) = Answer::from_logits(logits.as_ref()).best();
        rows.serialize((image, label, predicted, probability, logits.as_ref()))?;
    }
    Ok(rows.into_inner()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_has_the_answer_and_every_logit() {
        let csv = predictions_csv(&[1, 0], &[[0.0_f32, 0.1], [2.5, 2.5]]).unwrap();
        let text = String::from_utf8(csv).unwrap();
        let lines: Vec<&str> = text.lines().collect();
        let header = "image,true_label,predicted_label,probability,logit_0,logit_1";
        assert_eq!(lines[0], header);
        assert!(lines[1].starts_with("0,1,1,0.5249"), "{}", lines[1]);
        assert!(lines[1].ends_with(",0.0,0.1"), "{}", lines[1]);
        assert_eq!(lines[2], "1,0,0,0.5,2.5,2.5");
    }
}
