use super::super::palette::{BLACK, WHITE};
use super::*;

/// Width, height and the colour of any pixel of a PNG.
pub fn decode(bytes: &[u8]) -> (u32, u32, impl Fn(f64, f64) -> Rgb + use<>) {
    let decoder = png::Decoder::new(std::io::Cursor::new(bytes));
    let mut reader = decoder.read_info().unwrap();
    let mut pixels = vec![0; reader.output_buffer_size().unwrap()];
    let info = reader.next_frame(&mut pixels).unwrap();
    assert_eq!(info.color_type, png::ColorType::Rgb);
    assert_eq!(info.bit_depth, png::BitDepth::Eight);
    let width = usize::try_from(info.width).unwrap();
    let at = |value: f64| usize::try_from(whole(value)).unwrap();
    let pixel = move |x: f64, y: f64| {
        let start = (at(y) * width + at(x)) * 3;
        [pixels[start], pixels[start + 1], pixels[start + 2]]
    };
    (info.width, info.height, pixel)
}

const RED: Rgb = [200, 10, 20];

#[test]
fn rectangles_end_before_their_lower_right_corner() {
    for samples in [1, 3] {
        let mut canvas = Canvas::new(8, 6, samples).unwrap();
        canvas.rectangle((2.0, 1.0), (5.0, 4.0), RED).unwrap();
        let (width, height, pixel) = decode(&canvas.to_png().unwrap());
        assert_eq!((width, height), (8, 6));
        for (x, y) in (0..8_u8).flat_map(|x| (0..6_u8).map(move |y| (x, y))) {
            let inside = (2..5).contains(&x) && (1..4).contains(&y);
            let expected = if inside { RED } else { WHITE };
            assert_eq!(pixel(f64::from(x), f64::from(y)), expected, "{x}, {y}");
        }
    }
}

#[test]
fn strokes_have_their_width_in_every_direction() {
    let ink = |to: (f64, f64)| {
        let mut canvas = Canvas::new(200, 200, 3).unwrap();
        canvas.stroke(&[(50.0, 50.0), to], 2.0, BLACK).unwrap();
        let (.., pixel) = decode(&canvas.to_png().unwrap());
        let dark = |x: u8, y: u8| 1.0 - f64::from(pixel(f64::from(x), f64::from(y))[0]) / 255.0;
        (0..200)
            .flat_map(|x| (0..200).map(move |y| (x, y)))
            .map(|(x, y)| dark(x, y))
            .sum::<f64>()
    };
    for (to, length) in [
        ((150.0, 50.0), 100.0),
        ((50.0, 150.0), 100.0),
        ((150.0, 150.0), 141.4),
        ((150.0, 90.0), 107.7),
    ] {
        let width = ink(to) / length;
        assert!((1.7..2.6).contains(&width), "{width} pixels wide to {to:?}");
    }
}

#[test]
fn text_is_centred_and_upward_text_is_turned() {
    let extent = |style: &TextStyle| {
        let mut canvas = Canvas::new(101, 101, 1).unwrap();
        canvas.text("H", (50.0, 50.0), style).unwrap();
        let (.., pixel) = decode(&canvas.to_png().unwrap());
        let inked = |&(x, y): &(u8, u8)| pixel(f64::from(x), f64::from(y))[0] < 128;
        let all = (0..101).flat_map(|x| (0..101).map(move |y| (x, y)));
        let inked: Vec<_> = all.filter(inked).collect();
        let (xs, ys) = (inked.iter().map(|p| p.0), inked.iter().map(|p| p.1));
        [xs.clone().min(), xs.max(), ys.clone().min(), ys.max()].map(Option::unwrap)
    };
    // An H of 40 pixels is 22 wide and 29 high.
    let [left, right, top, bottom] = extent(&TextStyle::new(40.0));
    assert!(right - left < bottom - top);
    assert!((98..=101).contains(&(left + right)), "{left}..={right}");
    assert!((98..=101).contains(&(top + bottom)), "{top}..={bottom}");
    let [left, right, top, bottom] = extent(&TextStyle::new(40.0).upward());
    assert!(right - left > bottom - top);
    assert!((98..=101).contains(&(left + right)), "{left}..={right}");
    assert!((98..=101).contains(&(top + bottom)), "{top}..={bottom}");
}

#[test]
fn ink_off_the_picture_is_cut() {
    let mut canvas = Canvas::new(20, 20, 1).unwrap();
    let style = TextStyle::new(40.0);
    for at in [(0.0, 0.0), (20.0, 20.0), (-50.0, 90.0)] {
        canvas.text("Wide text", at, &style).unwrap();
        canvas.text("Wide text", at, &style.upward()).unwrap();
        canvas.dot(at, 3.0, RED).unwrap();
        canvas.rectangle((-5.0, -5.0), at, RED).unwrap();
    }
    canvas.to_png().unwrap();
}

#[test]
fn impossible_sizes_are_errors() {
    assert!(Canvas::new(0, 10, 1).is_err());
    assert!(Canvas::new(10, 10, 0).is_err());
    assert!(Canvas::new(usize::MAX, 2, 1).is_err());
}
