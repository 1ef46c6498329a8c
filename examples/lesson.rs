//! The article's job in plain tch, from top to bottom: data, model, loss, step, score.
//! `cargo run --release --example lesson` trains it. Only the images come from this crate.

use anyhow::Result;
use mnist_tch::data::{Dataset, Split, mnist_10k};
use tch::nn::{self, Module, OptimizerConfig};
use tch::{Device, Kind, Tensor};

/// Data: pixels 0-255 scaled to 0-1, as n x 1 x 28 x 28; labels are class indices.
pub(crate) fn images(set: &Dataset, device: Device) -> (Tensor, Tensor) {
    let images = Tensor::from_slice(set.pixels()).to_device(device) / 255.0;
    let labels = Tensor::from_slice(set.labels()).to_device(device);
    (images.view([-1, 1, 28, 28]), labels.to_kind(Kind::Int64))
}

/// The article's initial weights: uniform, with a bound that depends on the sum of all dimensions.
fn uniform(sizes: &[i32]) -> nn::Init {
    let up = 0.5 * (24.0 / f64::from(sizes.iter().sum::<i32>())).sqrt();
    nn::Init::Uniform { lo: -up, up }
}

/// Model: three times convolution, `ReLU` and max-pooling, then a dense layer. `path` stores its
/// 3,138 parameters under the names they have in PyTorch, such as `conv1.weight`.
pub(crate) fn network(path: &nn::Path) -> nn::Sequential {
    let conv = |name: &str, input: i32, output: i32| {
        let config = nn::ConvConfig {
            padding: 1, // a border of one pixel keeps height and width
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
        .add(nn::linear(path / "dense", 72, 10, dense)) // one logit per class
}

/// Score: the fraction of images whose largest logit is that of their label.
fn accuracy(net: &nn::Sequential, images: &Tensor, labels: &Tensor) -> f64 {
    // Chunks of 250 images keep the activations in the cache. Scoring needs no gradients.
    let chunks = images.split(250, 0).into_iter();
    let logits: Vec<Tensor> = tch::no_grad(|| chunks.map(|chunk| net.forward(&chunk)).collect());
    let correct = Tensor::cat(&logits, 0).argmax(1, false).eq_tensor(labels);
    correct.mean(Kind::Double).double_value(&[])
}

/// Trains for five epochs in batches of 100 and scores the test images after each epoch.
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
            // Step: backward computes the gradients, Adam updates the parameters with them.
            adam.zero_grad();
            loss.backward();
            adam.step();
        }
        after_epoch(epoch, accuracy(net, &test_images, &test_labels));
    }
    Ok(())
}

#[expect(clippy::print_stdout, reason = "an example prints its results")]
fn main() -> Result<()> {
    tch::set_num_threads(1); // with more, each small operation waits for all threads
    tch::manual_seed(0);
    let vs = nn::VarStore::new(Device::Cpu); // CUDA must be loaded first: src/learn/device
    let print = |epoch, accuracy| println!("epoch {epoch}: {accuracy:.4}");
    train(&network(&vs.root()), &vs, &mnist_10k()?, print)
}
