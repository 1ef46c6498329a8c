//! A prepared picture in letters, for a terminal of any colours.

use crate::data::SIDE;
use crate::data::picture::Prepared;

/// From paper to ink. Plain letters, which every terminal and every file can show.
const SHADES: [char; 10] = [' ', '.', ':', '-', '=', '+', '*', '#', '%', '@'];

/// 28 lines of 28 pixels, two letters each, because letters are twice as high as wide.
pub fn shades(picture: &Prepared) -> String {
    let shade = |&pixel: &u8| SHADES[usize::from(pixel) * SHADES.len() / 256];
    let mut text = String::with_capacity(SIDE * (2 * SIDE + 1));
    for row in picture.chunks_exact(SIDE) {
        let line: String = row.iter().flat_map(|pixel| [shade(pixel); 2]).collect();
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paper_is_blank_and_ink_is_dark() {
        let mut picture = [0; 784];
        (picture[0], picture[2], picture[783]) = (255, 128, 1);
        let text = shades(&picture);
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(
            (lines.len(), lines[0], lines[1], lines[27]),
            (28, "@@  ++", "", "")
        );
    }
}
