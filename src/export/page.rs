//! Writes a trained network as one self-contained web page: visitors draw, or choose a picture, and
//! see the prediction and what led to it.
//!
//! The files in `page/` are the page's source. They are joined here, and the network goes into the
//! page as a JSON object. The page's Content-Security-Policy forbids all requests, and allows only
//! this style and this script, by their digests.

use std::path::Path;

use base64::prelude::{BASE64_STANDARD, Engine};
use colorous::INFERNO;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::data::{Dataset, PIXELS, Preparation};
use crate::learn::{Prediction, Weights};
use crate::report::figures::samples::{self, Mistake};
use crate::terminal::model::ModelRun;

const MARKUP: &str = include_str!("page/page.html");
const STYLE: &str = include_str!("page/style.css");
const SCRIPT: &str = concat!(
    include_str!("page/network.js"),
    "\n",
    include_str!("page/prepare.js"),
    "\n",
    include_str!("page/show.js"),
    "\n",
    include_str!("page/draw.js"),
);

const MAX_MISTAKES: usize = 24;

/// Renders the page for a network.
///
/// `preparation` is how its images were prepared, `classes` their names. `run`, if known, is
/// described at the foot of the page. `tested` holds test images with the network's predictions for
/// them; the page shows the mistakes among these.
pub(crate) fn render(
    weights: &Weights,
    preparation: Preparation,
    classes: &[String],
    run: Option<&ModelRun>,
    tested: Option<&(Vec<Prediction>, Dataset)>,
) -> String {
    let parameters = weights.values().iter();
    let parameters: Vec<u8> = parameters.flat_map(|value| value.to_le_bytes()).collect();
    let inferno = (0..256).map(|value| INFERNO.eval_rational(value, 256));
    let inferno: Vec<u8> = inferno
        .flat_map(|color| [color.r, color.g, color.b, u8::MAX])
        .collect();
    let model = json!({
        "preparation": preparation,
        "channels": weights.architecture().channels(),
        "classes": classes,
        "weights": base64(&parameters),
        "inferno": base64(&inferno),
        "mistakes": tested.map_or_else(Vec::new, mistakes),
        "about": about(weights, run),
    });
    // Without this character, no text in the JSON can close its script element.
    let model = model.to_string().replace('<', "\\u003c");
    let page = MARKUP
        .replace("{{STYLE}}", STYLE)
        .replace("{{SCRIPT}}", SCRIPT);
    let style_digest = digest(&page, "<style>", "</style>");
    let script_digest = digest(&page, "<script>", "</script>");
    page.replace("{{STYLE_DIGEST}}", &style_digest)
        .replace("{{SCRIPT_DIGEST}}", &script_digest)
        .replace("{{MODEL}}", &model)
}

fn base64(bytes: &[u8]) -> String {
    BASE64_STANDARD.encode(bytes)
}

/// Digest of the text between two tags, as a Content-Security-Policy expects it.
fn digest(page: &str, start: &str, end: &str) -> String {
    let (_, rest) = page.split_once(start).unwrap_or_default();
    let (text, _) = rest.split_once(end).unwrap_or_default();
    base64(&Sha256::digest(text))
}

/// The most confident mistakes, with their images.
fn mistakes((predictions, images): &(Vec<Prediction>, Dataset)) -> Vec<Value> {
    let with_image = |mistake: Mistake| {
        json!({
            "pixels": base64(&images.pixels()[mistake.image * PIXELS..][..PIXELS]),
            "truth": mistake.truth,
            "predicted": mistake.predicted,
            "probability": mistake.probability,
        })
    };
    let mistakes = samples::wrong(predictions, images.labels()).into_iter();
    mistakes.take(MAX_MISTAKES).map(with_image).collect()
}

/// Describes the network and its run. Of a folder only the last component is named, because the
/// page may be published.
fn about(weights: &Weights, run: Option<&ModelRun>) -> String {
    let architecture = weights.architecture();
    let channels = architecture.channels().iter();
    let channels: Vec<String> = channels.map(usize::to_string).collect();
    let channels = channels.join("-");
    let network = format!("{channels} channels, {} parameters", architecture.count());
    let exported = concat!("Exported by mnist-tch ", env!("CARGO_PKG_VERSION"));
    let Some(run) = run else {
        return format!("{network}. {exported}.");
    };
    let name = Path::new(&run.data.name).file_name();
    let name = name.unwrap_or(run.data.name.as_ref()).display();
    let date = run.started.get(..10).unwrap_or(&run.started);
    let accuracy = run.accuracy.map_or_else(String::new, |accuracy| {
        let count = run.data.test_images;
        format!("; accuracy {accuracy:.4} on {count} test images")
    });
    format!(
        "{network}, trained on {} images of {name} on {date}{accuracy}. {exported}.",
        run.data.train_images
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

    /// The page before and after the model.
    fn without_model(page: &str) -> [&str; 2] {
        let (before, rest) = page.split_once(r#"type="application/json">"#).unwrap();
        [before, rest.split_once("</script>").unwrap().1]
    }

    #[test]
    fn the_page_in_docs_has_the_current_source() {
        let weights = Weights::initial(Init::Flux, 0, &Architecture::article(10).unwrap());
        let current = render(&weights, Preparation::Digits, &[], None, None);
        let published = include_str!("../../docs/digit.html");
        let same = without_model(published) == without_model(&current);
        assert!(
            same,
            "run scripts/digit-page.sh to write docs/digit.html again"
        );
    }

    #[test]
    fn the_page_holds_all_weights_and_mistakes_and_no_class_name_breaks_out_of_the_json() {
        let script = "</script><script>alert(1)</script>";
        let names = [script, "<!--", "{{STYLE}}", "Ankle boot"].map(str::to_owned);
        let architecture = Architecture::new(vec![3, 2], names.len()).unwrap();
        let weights = Weights::initial(Init::Kaiming, 1, &architecture);
        let images = mnist_10k().unwrap().test.slice(0..30).unwrap();
        // Sure of class 3 everywhere, and most of all at image 7.
        let logits = |image| [0.0, 0.0, 0.0, if image == 7 { 9.0 } else { 5.0 }];
        let predictions = (0..30).map(|image| Prediction::from_logits(&logits(image)));
        let tested = (predictions.collect(), images);
        let page = render(&weights, Preparation::Article, &names, None, Some(&tested));

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
        assert_eq!(model["mistakes"].as_array().unwrap().len(), MAX_MISTAKES);
        let (first, images) = (&model["mistakes"][0], tested.1);
        let pixels = &images.pixels()[7 * PIXELS..8 * PIXELS];
        assert_eq!(bytes(&first["pixels"]), pixels);
        assert_eq!(first["truth"], images.labels()[7]);
    }

    #[test]
    fn the_policy_allows_the_style_and_the_script_of_the_page_and_nothing_from_elsewhere() {
        let weights = Weights::initial(Init::Flux, 0, &Architecture::article(10).unwrap());
        let page = render(&weights, Preparation::Digits, &[], None, None);
        assert_eq!(page.matches("<script").count(), 2);
        assert_eq!(page.matches("<style").count(), 1);
        for (element, source) in [("style", STYLE), ("script", SCRIPT)] {
            let text = between(&page, &format!("<{element}>"), &format!("</{element}>"));
            assert_eq!(text.trim(), source.trim());
            let digest = base64(&Sha256::digest(text));
            let allowed = format!("{element}-src 'sha256-{digest}'");
            assert!(page.contains(&allowed), "{element}");
        }
        assert!(page.contains("default-src 'none'") && !page.contains("{{"));
        assert!(!page.contains("http:") && !page.contains("https:"));
    }
}
