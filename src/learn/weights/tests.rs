use super::*;

#[test]
fn bounds_are_those_of_their_definitions() {
    let near = |init: Init, shape: &[usize], bound: f64| {
        assert!(
            (init.bound(shape) - bound).abs() < 1e-4,
            "{init:?} {shape:?}"
        );
    };
    // 8 + 1 + 3 + 3 = 15 and 10 + 72 = 82: sums of all sizes.
    near(Init::Flux, &[8, 1, 3, 3], 0.6325);
    near(Init::Flux, &[10, 72], 0.2705);
    // Fans of 9 and 72; of 72 and 10.
    near(Init::Glorot, &[8, 1, 3, 3], 0.2722);
    near(Init::Glorot, &[10, 72], 0.2705);
    near(Init::Kaiming, &[8, 1, 3, 3], 0.8165);
    near(Init::Kaiming, &[10, 72], 0.2887);
}

#[test]
fn initial_weights_fill_their_range_and_biases_are_zero() {
    let weights = Weights::initial(Init::Flux, 0, 10);
    assert_eq!(weights.values().len(), 3_138);
    let dense = &weights.values()[2_408..3_128];
    assert!(dense.iter().all(|value| value.abs() < 0.2706));
    assert!(dense.iter().any(|&value| value > 0.25) && dense.iter().any(|&value| value < -0.25));
    assert!(weights.values()[3_128..].iter().all(|&value| value == 0.0));
    assert_ne!(weights, Weights::initial(Init::Flux, 1, 10));
    assert_eq!(weights, Weights::initial(Init::Flux, 0, 10));
}

#[test]
fn safetensors_there_and_back() {
    for (classes, count) in [(2, 2_554), (10, 3_138), (256, 21_096)] {
        let weights = Weights::initial(Init::Kaiming, 5, classes);
        assert_eq!(
            (weights.classes(), weights.values().len()),
            (classes, count)
        );
        let bytes = weights.to_safetensors().unwrap();
        assert_eq!(bytes, weights.to_safetensors().unwrap());
        assert_eq!(Weights::from_safetensors(&bytes).unwrap(), weights);
    }
}

#[test]
fn files_of_other_networks_are_refused() {
    let error = |tensors: Vec<(&str, Dtype, Vec<usize>)>| {
        let data = vec![0; 50_000];
        let width = |kind| if kind == Dtype::F64 { 8 } else { 4 };
        let views = tensors.into_iter().map(|(name, kind, shape)| {
            let length = width(kind) * shape.iter().product::<usize>();
            (name, TensorView::new(kind, shape, &data[..length]).unwrap())
        });
        let bytes = safetensors::serialize(views, None).unwrap();
        format!("{:#}", Weights::from_safetensors(&bytes).unwrap_err())
    };
    let good = || {
        let parameters = parameters(10).into_iter();
        parameters.map(|(name, shape)| (name, Dtype::F32, shape))
    };
    let mut wrong_shape: Vec<_> = good().collect();
    wrong_shape[6].2 = vec![72, 10];
    assert_eq!(
        error(wrong_shape),
        "tensor dense.weight has shape [72, 10], the network needs [classes, 72] with 2 to 256 classes"
    );
    let mut other_bias: Vec<_> = good().collect();
    other_bias[7].2 = vec![11];
    assert_eq!(
        error(other_bias),
        "tensor dense.bias has shape [11], the network needs [10]"
    );
    let mut wrong_kind: Vec<_> = good().collect();
    wrong_kind[1].1 = Dtype::F64;
    assert_eq!(
        error(wrong_kind),
        "tensor conv1.bias holds F64, the network needs F32"
    );
    assert_eq!(
        error(good().skip(1).collect()),
        "tensor conv1.weight is missing"
    );
    let more = good().chain([("fc.bias", Dtype::F32, vec![1])]).collect();
    assert_eq!(error(more), "tensor fc.bias is not a part of the network");
    let error = Weights::from_safetensors(b"hello").unwrap_err();
    assert!(format!("{error:#}").starts_with("not a safetensors file"));
}
