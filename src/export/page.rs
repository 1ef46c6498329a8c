//! The network as one web page, which needs nothing else: one draws, or chooses a picture, and sees
//! what the network answers and why.
//!
//! `page.html` does all that with the JSON object that is put into it here. No request may leave
//! the page, and no other script may run in it.

use std::path::Path;

use base64::prelude::{BASE64_STANDARD, Engine};
use colorous::INFERNO;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::data::{Dataset, PIXELS, Preparation};
use crate::learn::{Prediction, Weights};
use crate::report::sheets;
use crate::report::summary::Recorded;

const PAGE: &str = include_str!("page/page.html");
/// How many mistakes it offers, at most.
const MISTAKES: usize = 24;

/// The page of the network with these `weights`, whose classes have these names, and which takes
/// images that went through this preparation. It says which `run` that was, and offers the mistakes
/// among the answers to the images that were `tested`.
pub(crate) fn page(
    weights: &Weights,
    preparation: Preparation,
    classes: &[String],
    run: Option<&Recorded>,
    tested: Option<(&[Prediction], &Dataset)>,
) -> String {
    let parameters = weights.values().iter();
    let parameters: Vec<u8> = parameters.flat_map(|value| value.to_le_bytes()).collect();
    let colors = (0..256).map(|share| INFERNO.eval_rational(share, 256));
    let inferno = colors.flat_map(|color| [color.r, color.g, color.b, u8::MAX]);
    let model = json!({
        "preparation": preparation,
        "channels": weights.architecture().channels(),
        "classes": classes,
        "weights": base64(&parameters),
        "inferno": base64(&inferno.collect::<Vec<u8>>()),
        "mistakes": tested.map_or(Vec::new(), |(answers, images)| mistakes(answers, images)),
        "about": about(weights, run),
    });
    // Nothing but this letter can end the element that it stands in.
    let model = model.to_string().replace('<', "\\u003c");
    PAGE.replace("{{STYLE}}", &digest("<style>", "</style>"))
        .replace("{{SCRIPT}}", &digest("<script>", "</script>"))
        .replace("{{MODEL}}", &model)
}

fn base64(bytes: &[u8]) -> String {
    BASE64_STANDARD.encode(bytes)
}

/// The digest of what stands between these two, as a Content-Security-Policy names it.
fn digest(start: &str, end: &str) -> String {
    let (_, rest) = PAGE.split_once(start).unwrap_or_default();
    let (text, _) = rest.split_once(end).unwrap_or_default();
    base64(&Sha256::digest(text))
}

/// The most confident mistakes, with their images.
fn mistakes(answers: &[Prediction], images: &Dataset) -> Vec<Value> {
    let wrong = sheets::wrong(answers, images.labels());
    let wrong = wrong.into_iter().take(MISTAKES);
    let with_image = |mistake: sheets::Mistake| {
        json!({
            "pixels": base64(&images.pixels()[mistake.image * PIXELS..][..PIXELS]),
            "truth": mistake.truth,
            "predicted": mistake.predicted,
            "probability": mistake.probability,
        })
    };
    wrong.map(with_image).collect()
}

/// Which network it is and where it comes from. Of a folder only its own name: the page may go
/// anywhere.
fn about(weights: &Weights, run: Option<&Recorded>) -> String {
    let architecture = weights.architecture();
    let channels = architecture.channels().iter();
    let channels: Vec<String> = channels.map(usize::to_string).collect();
    let (channels, count) = (channels.join("-"), architecture.count());
    let network = format!("{channels} channels, {count} parameters");
    let version = env!("CARGO_PKG_VERSION");
    let Some(Recorded {
        started,
        data,
        final_accuracy,
    }) = run
    else {
        return format!("{network}. mnist-tch {version}.");
    };
    let name = Path::new(&data.name).file_name();
    let name = name.unwrap_or(data.name.as_ref()).display();
    let day = started.get(..10).unwrap_or(started);
    format!(
        "{network}, trained on {} images of {name}; accuracy {final_accuracy:.4} on {} test \
         images. mnist-tch {version}, run of {day}.",
        data.train_images, data.test_images
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::mnist_10k;
    use crate::learn::{Architecture, Init};

    /// The text between these two.
    fn between<'a>(text: &'a str, start: &str, end: &str) -> &'a str {
        text.split_once(start).unwrap().1.split_once(end).unwrap().0
    }

    /// What stands before the network in a page, and what stands behind it.
    fn around_the_network(page: &str) -> [&str; 2] {
        let (before, rest) = page.split_once(r#"type="application/json">"#).unwrap();
        [before, rest.split_once("</script>").unwrap().1]
    }

    #[test]
    fn the_page_in_docs_is_as_it_is_written_now() {
        let weights = Weights::initial(Init::Flux, 0, &Architecture::article(10).unwrap());
        let now = page(&weights, Preparation::Digits, &[], None, None);
        let kept = include_str!("../../docs/digit.html");
        let same = around_the_network(kept) == around_the_network(&now);
        assert!(same, "make it anew: export --model RUN docs/digit.html");
    }

    #[test]
    fn it_holds_every_weight_and_the_surest_mistakes_and_no_name_gets_out_of_its_place() {
        let script = "</script><script>alert(1)</script>";
        let names = [script, "<!--", "{{STYLE}}", "Ankle boot"].map(str::to_owned);
        let architecture = Architecture::new(vec![3, 2], names.len()).unwrap();
        let weights = Weights::initial(Init::Kaiming, 1, &architecture);
        let images = mnist_10k().unwrap().test.slice(0..30).unwrap();
        // Sure of class 3 everywhere, and most of all at image 7.
        let logits = |image| [0.0, 0.0, 0.0, if image == 7 { 9.0 } else { 5.0 }];
        let answers = (0..30).map(|image| Prediction::from_logits(&logits(image)));
        let answers: Vec<_> = answers.collect();
        let tested = Some((&answers[..], &images));
        let page = page(&weights, Preparation::Article, &names, None, tested);

        let model = between(&page, r#"type="application/json">"#, "</script>");
        let model: Value = serde_json::from_str(model).unwrap();
        assert_eq!(model["classes"], json!(names));
        assert_eq!(model["preparation"], "article");
        assert_eq!(model["channels"], json!([3, 2]));
        let bytes = |text: &Value| BASE64_STANDARD.decode(text.as_str().unwrap()).unwrap();
        let values = weights
            .values()
            .iter()
            .flat_map(|value| value.to_le_bytes());
        assert!(values.eq(bytes(&model["weights"])));
        assert_eq!(model["mistakes"].as_array().unwrap().len(), MISTAKES);
        let first = &model["mistakes"][0];
        let pixels = &images.pixels()[7 * PIXELS..8 * PIXELS];
        assert_eq!(bytes(&first["pixels"]), pixels);
        assert_eq!(first["truth"], images.labels()[7]);

        // The policy allows the script and the style that are there, and nothing from elsewhere.
        assert_eq!(page.matches("<script").count(), 2);
        for (what, element) in [("style", "<style>"), ("script", "<script>")] {
            let text = between(&page, element, &element.replace('<', "</"));
            let allowed = format!("{what}-src 'sha256-{}'", base64(&Sha256::digest(text)));
            assert!(page.contains(&allowed), "{what}");
        }
        assert!(page.contains("default-src 'none'"));
        assert!(!page.contains("http:") && !page.contains("https:"));
    }
}
