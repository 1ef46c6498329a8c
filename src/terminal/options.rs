//! Options that several commands share, and parsers for their values. Each parser says what it
//! expects; clap adds the name of the option. Options for numbers accept a leading minus, so that
//! the error names the option.

use std::num::{NonZeroUsize, TryFromIntError};

use anyhow::Result;
use clap::Args;
use clap::builder::{RangedU64ValueParser, TypedValueParser};

use crate::data::MAX_CLASSES;
use crate::learn::device::on_terminate;
use crate::learn::{Architecture, Config, Device, DeviceChoice, Init, cores};

/// The `--device` and `--threads` options.
#[derive(Debug, Args)]
pub(crate) struct Machine {
    /// Device: auto (a GPU if CUDA is usable, else the CPU), cpu, cuda or cuda:N [default: auto to
    /// train, the run's own with --resume, cpu to evaluate and predict]
    #[arg(long, value_name = "DEVICE")]
    device: Option<DeviceChoice>,
    /// CPU threads; the results do not depend on their number [default: all available cores]
    #[arg(long, value_name = "N", value_parser = threads(), allow_negative_numbers = true)]
    threads: Option<NonZeroUsize>,
}

impl Machine {
    /// The device, `default` if none was chosen, and the number of threads.
    pub fn select(&self, default: DeviceChoice, quiet: bool) -> Result<(Device, NonZeroUsize)> {
        let device = select_device(self.device.unwrap_or(default), quiet)?;
        Ok((device, self.threads.unwrap_or_else(cores)))
    }
}

/// The chosen device. Prints a note if `auto` uses the CPU although there is a GPU driver.
pub(crate) fn select_device(choice: DeviceChoice, quiet: bool) -> Result<Device> {
    on_terminate(super::end_for_cpp);
    let (device, why) = choice.find()?;
    if let Some(text) = why
        && !quiet
    {
        super::note(&format!("note: {text}"));
    }
    Ok(device)
}

/// An alias, because clap would take a plain `Vec` for a repeated option.
pub(crate) type Channels = Vec<usize>;

/// The length of a run; separate because `--resume` may extend it.
#[derive(Debug, Args)]
pub(crate) struct Length {
    /// Number of epochs [default: 5]
    #[arg(long, value_name = "N", value_parser = count(), allow_negative_numbers = true)]
    pub epochs: Option<NonZeroUsize>,
}

/// The hyperparameters of a run, except for its seed.
#[derive(Debug, Args)]
pub(crate) struct Protocol {
    /// The network: one to four blocks of convolution and pooling, with this many channels each
    /// [default: 8,16,8]
    #[arg(long, value_name = "N,N..", value_parser = channels)]
    channels: Option<Channels>,
    /// Images per step
    #[arg(long, value_name = "N", value_parser = count(), allow_negative_numbers = true)]
    #[arg(default_value_t = Config::default().batch_size)]
    batch_size: NonZeroUsize,
    /// Learning rate of Adam
    #[arg(long, value_name = "X", value_parser = learning_rate, allow_negative_numbers = true)]
    #[arg(default_value_t = Config::default().learning_rate)]
    lr: f64,
    /// Final learning rate of a linear decay over the run [default: no decay]
    #[arg(long, value_name = "X", value_parser = final_rate, allow_negative_numbers = true)]
    lr_final: Option<f64>,
    /// Distribution of the initial weights
    #[arg(long, value_enum, default_value_t)]
    init: Init,
    /// Shuffle the training images in each epoch
    #[arg(long)]
    shuffle: bool,
    /// Shift each training image at random by up to N pixels in each direction, differently in
    /// each epoch
    #[arg(long, value_name = "N", value_parser = shift(), allow_negative_numbers = true)]
    #[arg(default_value_t = Config::default().augment)]
    augment: usize,
    /// Score the test images every N steps and at the end of each epoch; 0: only at the end of the
    /// run [default: 50 times per epoch, or every step if an epoch has fewer]
    #[arg(long, value_name = "N", allow_negative_numbers = true)]
    eval_every: Option<usize>,
}

impl Protocol {
    /// The configuration of a run with these options and seed 0.
    pub fn config(&self, length: &Length) -> Config {
        let default = Config::default();
        Config {
            channels: self.channels.clone().unwrap_or(default.channels),
            epochs: length.epochs.unwrap_or(default.epochs),
            batch_size: self.batch_size,
            learning_rate: self.lr,
            final_learning_rate: self.lr_final,
            init: self.init,
            shuffle: self.shuffle,
            augment: self.augment,
            eval_every: self.eval_every,
            ..default
        }
    }
}

/// A positive whole number, below a limit at which no product of two of them overflows.
fn count() -> impl TypedValueParser<Value = NonZeroUsize> {
    non_zero(1_000_000)
}

/// A number of threads. More than any machine has would only cost memory.
pub(crate) fn threads() -> impl TypedValueParser<Value = NonZeroUsize> {
    non_zero(1_024)
}

fn non_zero(max: u64) -> impl TypedValueParser<Value = NonZeroUsize> {
    let range = RangedU64ValueParser::<usize>::new().range(1..=max);
    range.try_map(|number| -> Result<NonZeroUsize, TryFromIntError> { number.try_into() })
}

/// Number of classes.
pub(crate) fn classes() -> impl TypedValueParser<Value = usize> {
    RangedU64ValueParser::new().range(2..=MAX_CLASSES as u64)
}

/// A shift in pixels. A larger one would move a centered digit out of the image.
fn shift() -> impl TypedValueParser<Value = usize> {
    RangedU64ValueParser::new().range(0..=8)
}

fn learning_rate(text: &str) -> Result<f64, String> {
    let expected = "expected a number greater than 0";
    float(text, |rate| rate.is_finite() && rate > 0.0, expected)
}

fn final_rate(text: &str) -> Result<f64, String> {
    let expected = "expected a number not less than 0";
    float(text, |rate| rate.is_finite() && rate >= 0.0, expected)
}

/// A fraction, 0..=1.
pub(crate) fn fraction(text: &str) -> Result<f64, String> {
    let expected = "expected a number from 0 to 1, such as 0.9 for 90 %";
    float(text, |value| (0.0..=1.0).contains(&value), expected)
}

fn float(text: &str, is_valid: impl Fn(f64) -> bool, expected: &str) -> Result<f64, String> {
    let number = text.parse().ok().filter(|&number| is_valid(number));
    number.ok_or_else(|| expected.to_owned())
}

/// Channels of the network's blocks.
pub(crate) fn channels(text: &str) -> Result<Channels, String> {
    let channels = text.split(',').map(|number| number.trim().parse());
    let channels = channels.collect::<Result<Channels, _>>().ok();
    channels
        .filter(|channels| Architecture::new(channels.clone(), MAX_CLASSES).is_ok())
        .ok_or_else(|| "expected one to four numbers from 1 to 512, such as 8,16,8".to_owned())
}
