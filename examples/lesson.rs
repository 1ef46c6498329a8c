//! The article's job from top to bottom in plain tch: data, model, loss, step, score.
//! `cargo run --release --example lesson` trains it. Only the images come from this crate.

use anyhow::Result;
use mnist_tch::data::{Dataset, Split, mnist_10k};
use tch::nn::{self, Module, OptimizerConfig};
use tch::{Device, Kind, Tensor};

/// Data: grey values 0-255 become numbers 0-1, n x 1 x 28 x 28 of them; labels are class numbers.
pub(crate) fn images(set: &Dataset, device: Device) -> (Tensor, Tensor) {
    let images = Tensor::from_slice(set.pixels()).to_device(device) / 255.0;
    let labels = Tensor::from_slice(set.labels()).to_device(device);
    (images.view([-1, 1, 28, 28]), labels.to_kind(Kind::Int64))
}

/// The article's initial weights: uniform, within a bound from the sum of all sizes of the tensor.
fn uniform(sizes: &[i32]) -> nn::Init {
    let up = 0.5 * (24.0 / f64::from(sizes.iter().sum::<i32>())).sqrt();
    nn::Init::Uniform { lo: -up, up }
}

/// Model: (convolution, `ReLU`, max-pool) three times, then a dense layer. The 3,138 parameters are
/// made in the store behind `path`, under the names that they have in PyTorch: `conv1.weight`.
pub(crate) fn network(path: &nn::Path) -> nn::Sequential {
    let conv = |name: &str, input: i32, output: i32| {
        let config = nn::ConvConfig {
            padding: 1, // a border of one pixel, so that height and width stay as they are
            ws_init: uniform(&[output, input, 3, 3]),
            ..Default::default()
        };
        nn::conv2d(path / name, input.into(), output.into(), 3, config)
    };
    let dense = nn::LinearConfig {
        ws_init: uniform(&[10, 72]),
        bs_init: Some(nn::Init::Const(0.0)),
        bias: true,
    };
    nn::seq()
        .add(conv("conv1", 1, 8)) // 8 x 28 x 28
        .add_fn(|x| x.relu().max_pool2d_default(2)) // 8 x 14 x 14
        .add(conv("conv2", 8, 16)) // 16 x 14 x 14
        .add_fn(|x| x.relu().max_pool2d_default(2)) // 16 x 7 x 7
        .add(conv("conv3", 16, 8)) // 8 x 7 x 7
        .add_fn(|x| x.relu().max_pool2d_default(2)) // 8 x 3 x 3
        .add_fn(|x| x.flatten(1, -1)) // 72
        .add(nn::linear(path / "dense", 72, 10, dense)) // a logit for each class
}

/// Score: the share of images whose largest logit is that of their label.
fn accuracy(net: &nn::Sequential, images: &Tensor, labels: &Tensor) -> f64 {
    // 250 at a time, because what goes from layer to layer then fits the cache; without gradients.
    let chunks = images.split(250, 0).into_iter();
    let logits: Vec<Tensor> = tch::no_grad(|| chunks.map(|chunk| net.forward(&chunk)).collect());
    let right = Tensor::cat(&logits, 0).argmax(1, false).eq_tensor(labels);
    right.mean(Kind::Double).double_value(&[])
}

/// Goes through the training images five times, 100 a step, and scores the test images each time.
pub(crate) fn train(
    net: &nn::Sequential,
    vs: &nn::VarStore,
    split: &Split,
    mut after_epoch: impl FnMut(i32, f64),
) -> Result<()> {
    let (train_images, train_labels) = images(&split.train, vs.device());
    let (test_images, test_labels) = images(&split.test, vs.device());
    let mut adam = nn::Adam::default().build(vs, 0.005)?;
    for epoch in 1..=5 {
        let batches = train_images.split(100, 0).into_iter();
        for (images, labels) in batches.zip(train_labels.split(100, 0)) {
            // Loss: cross-entropy, the mean over the batch.
            let loss = net.forward(&images).cross_entropy_for_logits(&labels);
            // Step: backward finds the loss's gradient for each parameter, Adam moves them by it.
            adam.zero_grad();
            loss.backward();
            adam.step();
        }
        after_epoch(epoch, accuracy(net, &test_images, &test_labels));
    }
    Ok(())
}

#[expect(clippy::print_stdout, reason = "it is there to show them")]
fn main() -> Result<()> {
    tch::set_num_threads(1); // more would wait for each other after every small operation
    tch::manual_seed(0);
    let vs = nn::VarStore::new(Device::Cpu); // CUDA has to be loaded first: src/learn/device.rs
    let print = |epoch, accuracy| println!("epoch {epoch}: {accuracy:.4}");
    train(&network(&vs.root()), &vs, &mnist_10k()?, print)
}
