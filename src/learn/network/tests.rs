use super::*;

#[test]
fn the_parameters_have_the_names_and_shapes_of_the_files() {
    let store = nn::VarStore::new(Device::Cpu);
    let _layers = layers(&store.root(), 10);
    let named = store.variables();
    assert_eq!(named.len(), parameters(10).len());
    for (name, shape) in parameters(10) {
        let shape: Vec<i64> = shape
            .iter()
            .map(|&size| i64::try_from(size).unwrap())
            .collect();
        assert_eq!(named[name].size(), shape, "{name}");
    }
}

#[test]
fn setting_flat_weights_changes_the_layers() {
    let mut network = Network::new(Device::Cpu, 10).unwrap();
    let images = Tensor::ones([2, 1, 28, 28], (Kind::Float, Device::Cpu));
    let largest = network.forward(&images).abs().max().double_value(&[]);
    assert!(largest <= 0.0, "weights of 0 give logits of 0");
    // Only the last weight, the bias of class 9, is 1.
    let weights = Tensor::zeros([3_138], (Kind::Float, Device::Cpu));
    let _ = weights.narrow(0, 3_137, 1).fill_(1.0);
    network.set_weights(&weights).unwrap();
    let logits = network.forward(&images);
    assert_eq!(
        Vec::<f32>::try_from(logits.get(1)).unwrap(),
        [0., 0., 0., 0., 0., 0., 0., 0., 0., 1.]
    );
}

#[test]
fn a_gradient_in_parts_is_the_gradient() {
    tch::manual_seed(1);
    let mut network = Network::new(Device::Cpu, 10).unwrap();
    network
        .set_weights(&(Tensor::rand([3_138], (Kind::Float, Device::Cpu)) - 0.5))
        .unwrap();
    let images = Tensor::rand([20, 1, 28, 28], (Kind::Float, Device::Cpu));
    let labels = Tensor::randint(10, [20], (Kind::Int64, Device::Cpu));
    let whole = network.gradient(&images, &labels, 20).unwrap();
    let part = |start, length| {
        network.gradient(
            &images.narrow(0, start, length),
            &labels.narrow(0, start, length),
            20,
        )
    };
    let (first, second) = (part(0, 15).unwrap(), part(15, 5).unwrap());
    let difference =
        |a: &Tensor, b: &Tensor, sum: &Tensor| ((a + b) - sum).abs().max().double_value(&[]);
    assert!(difference(&first.0, &second.0, &whole.0) < 1e-5);
    assert!(difference(&first.1, &second.1, &whole.1) < 1e-5);
}

#[test]
fn both_layouts_give_the_same_logits_and_gradients() {
    if !super::super::libtorch::has_onednn_layout() {
        return;
    }
    tch::manual_seed(2);
    let mut network = Network::new(Device::Cpu, 10).unwrap();
    network
        .set_weights(&(Tensor::rand([3_138], (Kind::Float, Device::Cpu)) - 0.5))
        .unwrap();
    let images = Tensor::rand([8, 1, 28, 28], (Kind::Float, Device::Cpu));
    let labels = Tensor::randint(10, [8], (Kind::Int64, Device::Cpu));
    let plain = network.gradient(&images, &labels, 8).unwrap();
    let onednn = network.gradient(&images.to_mkldnn(), &labels, 8).unwrap();
    let close = |a: &Tensor, b: &Tensor| a.allclose(b, 1e-4, 1e-5, false);
    assert!(close(&plain.0, &onednn.0) && close(&plain.1, &onednn.1));
    assert!(close(
        &network.forward(&images),
        &network.forward(&images.to_mkldnn())
    ));
}

#[test]
fn confusion_is_counted_by_true_and_predicted_class() {
    let mut scores = vec![0_f32; 30];
    scores[3] = 1.0; // Image 0: predicted 3.
    scores[10 + 9] = 1.0; // Image 1: predicted 9.
    scores[20 + 3] = 1.0; // Image 2: predicted 3.
    let logits = Tensor::from_slice(&scores).view([3, 10]);
    let rows = Tensor::from_slice(&[30_i64, 0, 30]);
    let counts = confusion_counts(&logits, &rows, &Tensor::from_slice(&[1_i64; 3])).unwrap();
    let counts = Vec::<i64>::try_from(counts).unwrap();
    assert_eq!(
        (counts[33], counts[9], counts.iter().sum::<i64>()),
        (2, 1, 3)
    );
}
