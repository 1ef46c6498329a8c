use super::*;
use crate::learn::weights::Init;

fn checkpoint(rows: usize) -> Checkpoint<String> {
    let mut state = State::initial(Weights::initial(Init::Flux, 3, 10));
    state.optimizer.first_moment[7] = -0.1;
    state.optimizer.steps = rows as u64;
    let record = |step| StepRecord {
        epoch: 1,
        batch: step,
        step,
        train_loss: 0.1,
        test_accuracy: 1.0 / 3.0,
    };
    let mut matrix = ConfusionMatrix::new(10);
    matrix.add(3, 4, 17);
    Checkpoint {
        config: Config {
            // A number that only a careful reader of JSON gives back: 17 digits.
            learning_rate: 0.1 + 0.2,
            eval_every: Some(3),
            ..Config::default()
        },
        state,
        records: (1..=rows).map(record).collect(),
        confusion: (rows > 0).then_some(matrix),
        about: "\"sha256\":\"0000000000000000000000000000000000000000000000000000000000000000"
            .into(),
    }
}

fn error(bytes: &[u8]) -> String {
    format!("{:#}", Checkpoint::<String>::from_bytes(bytes).unwrap_err())
}

#[test]
fn there_and_back_with_rows_and_without() {
    for rows in [0, 5] {
        let written = checkpoint(rows);
        let bytes = written.to_bytes().unwrap();
        assert_eq!(Checkpoint::from_bytes(&bytes).unwrap(), written);
    }
}

#[test]
fn a_flip_of_any_byte_is_found() {
    let bytes = checkpoint(5).to_bytes().unwrap();
    let header = 8 + u64::from_le_bytes(bytes[..8].try_into().unwrap());
    for place in (0..usize::try_from(header).unwrap()).chain((0..bytes.len()).step_by(101)) {
        let mut flipped = bytes.clone();
        flipped[place] ^= 1;
        assert!(
            Checkpoint::<String>::from_bytes(&flipped).is_err(),
            "byte {place}"
        );
    }
}

#[test]
fn truncated_files_and_other_files_are_refused() {
    let bytes = checkpoint(5).to_bytes().unwrap();
    for length in [0, 7, 100, 5_000, bytes.len() - 1] {
        assert!(error(&bytes[..length]).starts_with("damaged, or not a checkpoint"));
    }
    assert!(error(b"<!DOCTYPE html>").starts_with("damaged, or not a checkpoint"));
    let model = Weights::initial(Init::Flux, 0, 10)
        .to_safetensors()
        .unwrap();
    assert_eq!(error(&model), "not a checkpoint of mnist-tch");
}

#[test]
fn another_format_is_named() {
    let bytes = checkpoint(1).to_bytes().unwrap();
    let place = bytes
        .windows(FORMAT.len())
        .position(|part| part == FORMAT.as_bytes());
    let mut newer = bytes;
    newer[place.unwrap() + FORMAT.len() - 1] = b'2';
    let error = error(&newer);
    assert!(error.contains("\"mnist-tch checkpoint 2\""), "{error}");
}
