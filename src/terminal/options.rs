//! Options that several commands share, and numbers as they are typed. Each parser says what it
//! expects; clap adds the option's name. Wherever a number is expected clap takes a negative one
//! too, so that the error names the option.

use std::num::NonZeroUsize;
use std::ops::RangeInclusive;
use std::str::FromStr;

use anyhow::Result;
use clap::builder::PossibleValue;
use clap::{Args, ValueEnum};

use crate::data::MAX_CLASSES;
use crate::learn::device::on_terminate;
use crate::learn::{Architecture, Config, Device, DeviceChoice, Init, Keep, cores};

/// The device and the threads.
#[derive(Debug, Args)]
pub(crate) struct Machine {
    /// Device to use: auto (a GPU if CUDA is usable, else the CPU), cpu, cuda or cuda:N [default:
    /// auto to train, with --resume the run's own, and cpu to evaluate and to predict]
    #[arg(long, value_name = "DEVICE")]
    device: Option<DeviceChoice>,
    /// Threads on the CPU; the numbers do not depend on it [default: the cores this process may
    /// use]
    #[arg(long, value_name = "N", value_parser = threads, allow_negative_numbers = true)]
    threads: Option<NonZeroUsize>,
}

impl Machine {
    /// The device, `default` where none is named, and the threads.
    pub fn select(&self, default: DeviceChoice, quiet: bool) -> Result<(Device, NonZeroUsize)> {
        let device = select_device(self.device.unwrap_or(default), quiet)?;
        Ok((device, self.threads.unwrap_or_else(cores)))
    }
}

/// The device that is asked for; with a note why `auto` took the CPU although there is a driver.
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

/// clap takes a plain `Vec` for an option that is given several times.
pub(crate) type Channels = Vec<usize>;

/// How long; by itself, because a run that goes on may be given more.
#[derive(Debug, Args)]
pub(crate) struct Length {
    /// Times to go through the training images; with --resume, go on until there are so many
    /// [default: 5]
    #[arg(long, value_name = "N", value_parser = count, allow_negative_numbers = true)]
    pub epochs: Option<NonZeroUsize>,
}

/// What is trained and how, but for the seed.
#[derive(Debug, Args)]
pub(crate) struct Protocol {
    /// The network: one to four blocks of convolution and pooling, of so many channels each
    /// [default: 8,16,8]
    #[arg(long, value_name = "N,N..", value_parser = channels)]
    channels: Option<Channels>,
    /// Images per step
    #[arg(long, value_name = "N", value_parser = count, allow_negative_numbers = true)]
    #[arg(default_value_t = Config::default().batch_size)]
    batch_size: NonZeroUsize,
    /// Adam's learning rate
    #[arg(long, value_name = "X", value_parser = rate, allow_negative_numbers = true)]
    #[arg(default_value_t = Config::default().learning_rate)]
    lr: f64,
    /// Let the learning rate fall linearly to X at the end of the run [default: it stays]
    #[arg(long, value_name = "X", value_parser = final_rate, allow_negative_numbers = true)]
    lr_final: Option<f64>,
    /// How the initial weights are drawn
    #[arg(long, value_enum, default_value_t)]
    init: Init,
    /// Go through the images in another order in each epoch
    #[arg(long)]
    shuffle: bool,
    /// Shift each training image at random by up to N pixels in each direction, anew in each epoch
    #[arg(long, value_name = "N", value_parser = shift, allow_negative_numbers = true)]
    #[arg(default_value_t = Config::default().augment)]
    augment: usize,
    /// Score the test images after every N steps and at each epoch's end; 0: at the very end only
    /// [default: 50 times an epoch, or after every step where there are fewer]
    #[arg(long, value_name = "N", allow_negative_numbers = true)]
    eval_every: Option<usize>,
}

impl Protocol {
    /// The same as a configuration, of seed 0.
    pub fn config(&self, length: &Length) -> Config {
        let usual = Config::default();
        Config {
            channels: self.channels.clone().unwrap_or(usual.channels),
            epochs: length.epochs.unwrap_or(usual.epochs),
            batch_size: self.batch_size,
            learning_rate: self.lr,
            final_learning_rate: self.lr_final,
            init: self.init,
            shuffle: self.shuffle,
            augment: self.augment,
            eval_every: self.eval_every,
            ..usual
        }
    }
}

impl ValueEnum for Keep {
    fn value_variants<'a>() -> &'a [Self] {
        &[Self::Last, Self::Best]
    }

    fn to_possible_value(&self) -> Option<PossibleValue> {
        let (name, help) = match self {
            Self::Last => ("last", "Those after the last step"),
            Self::Best => ("best", "Those of the best score beside them"),
        };
        Some(PossibleValue::new(name).help(help))
    }
}

impl ValueEnum for Init {
    fn value_variants<'a>() -> &'a [Self] {
        &[Self::Flux, Self::Glorot, Self::Kaiming]
    }

    fn to_possible_value(&self) -> Option<PossibleValue> {
        let (name, help) = match self {
            Self::Flux => (
                "flux",
                "The article's: ±0.5·√(24 / sum of all sizes of the weight tensor)",
            ),
            Self::Glorot => ("glorot", "±√(6 / (fan in + fan out))"),
            Self::Kaiming => ("kaiming", "±√(6 / fan in)"),
        };
        Some(PossibleValue::new(name).help(help))
    }
}

/// A number that `fits`.
fn number<T: FromStr>(text: &str, fits: impl Fn(&T) -> bool, expected: &str) -> Result<T, String> {
    let number = text.parse().ok().filter(fits);
    number.ok_or_else(|| format!("{expected} is expected"))
}

/// A whole number within `range`.
pub(crate) fn whole<T>(text: &str, range: RangeInclusive<usize>) -> Result<T, String>
where
    T: FromStr + Copy + Into<usize>,
{
    let (least, most) = (range.start(), range.end());
    let expected = format!("a whole number from {least} to {most}");
    number(
        text,
        |&number: &T| range.contains(&number.into()),
        &expected,
    )
}

/// A number of things: so many that no product of two of them leaves its range.
fn count(text: &str) -> Result<NonZeroUsize, String> {
    whole(text, 1..=1_000_000)
}

/// More threads than any machine has would only cost memory.
pub(crate) fn threads(text: &str) -> Result<NonZeroUsize, String> {
    whole(text, 1..=1_024)
}

/// A learning rate.
fn rate(text: &str) -> Result<f64, String> {
    let fits = |number: &f64| number.is_finite() && *number > 0.0;
    number(text, fits, "a number above 0")
}

/// What a learning rate falls to.
fn final_rate(text: &str) -> Result<f64, String> {
    let fits = |number: &f64| number.is_finite() && *number >= 0.0;
    number(text, fits, "a number from 0 on")
}

/// Widths of the network's blocks.
pub(crate) fn channels(text: &str) -> Result<Channels, String> {
    let widths: Option<Channels> = text
        .split(',')
        .map(|width| width.trim().parse().ok())
        .collect();
    let widths = widths.and_then(|widths| Architecture::new(widths, MAX_CLASSES).ok());
    let widths = widths.map(|architecture| architecture.channels().to_vec());
    let expected = "one to four whole numbers from 1 to 512 are expected, such as 8,16,8";
    widths.ok_or_else(|| expected.to_owned())
}

/// Pixels: a centred digit leaves the image beyond eight.
fn shift(text: &str) -> Result<usize, String> {
    whole(text, 0..=8)
}

/// A share of a whole.
pub(crate) fn fraction(text: &str) -> Result<f64, String> {
    let fits = |number: &f64| (0.0..=1.0).contains(number);
    number(text, fits, "a number from 0 to 1, such as 0.9 for 90 %,")
}
