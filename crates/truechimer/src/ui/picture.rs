//! Drawings as files, in the format that the file's name ends in: SVG, and PNG where this was built with it.

use std::fs;
use std::path::{Path, PathBuf};

/// Why there is no file.
#[derive(Debug, thiserror::Error)]
pub enum PictureError {
    /// The name says no format.
    #[error("{0}: the name has to end in .svg or .png")]
    Format(PathBuf),
    /// This program was built without PNG.
    #[error(
        "{0}: this truechimer was built without PNG (`cargo build --features png`): write to FILE.svg, which browsers show and others convert"
    )]
    WithoutPng(PathBuf),
    /// There is no font to write words with.
    #[error(
        "{0}: no fonts are installed (Debian: `apt install fonts-dejavu-core`), so a PNG would have no words: write to FILE.svg"
    )]
    NoFonts(PathBuf),
    /// It cannot be drawn.
    #[error("{0}: {1}")]
    Undrawn(PathBuf, String),
    /// The system does not write it.
    #[error("{0}: {1}")]
    Unwritten(PathBuf, std::io::Error),
}

/// The formats that a name can say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Format {
    Svg,
    Png,
}

impl Format {
    fn of(path: &Path) -> Option<Self> {
        match path.extension()?.to_str()?.to_ascii_lowercase().as_str() {
            "svg" => Some(Self::Svg),
            "png" => Some(Self::Png),
            _ => None,
        }
    }
}

/// Can a file of this name be written at all? Better asked before the work than after it.
///
/// # Errors
/// The name says no format, or one that this program was built without.
pub fn check(path: &Path) -> Result<(), PictureError> {
    match Format::of(path) {
        Some(Format::Svg) => Ok(()),
        Some(Format::Png) if cfg!(feature = "png") => Ok(()),
        Some(Format::Png) => Err(PictureError::WithoutPng(path.to_owned())),
        None => Err(PictureError::Format(path.to_owned())),
    }
}

/// Writes a drawing, which is the text of an SVG file.
///
/// # Errors
/// As [`check`]; no fonts for a PNG; those of the system.
pub fn write(path: &Path, svg: &str) -> Result<(), PictureError> {
    check(path)?;
    let bytes = match Format::of(path) {
        Some(Format::Png) => png(path, svg)?,
        Some(Format::Svg) | None => svg.as_bytes().to_owned(),
    };
    fs::write(path, bytes).map_err(|error| PictureError::Unwritten(path.to_owned(), error))
}

#[cfg(not(feature = "png"))]
fn png(path: &Path, _svg: &str) -> Result<Vec<u8>, PictureError> {
    Err(PictureError::WithoutPng(path.to_owned()))
}

/// In light colours on white, twice as large as the drawing says: for screens of today.
#[cfg(feature = "png")]
fn png(path: &Path, svg: &str) -> Result<Vec<u8>, PictureError> {
    let mut options = resvg::usvg::Options::default();
    options.fontdb_mut().load_system_fonts();
    drawn(path, svg, options)
}

#[cfg(feature = "png")]
fn drawn(path: &Path, svg: &str, mut options: resvg::usvg::Options<'_>) -> Result<Vec<u8>, PictureError> {
    use resvg::tiny_skia::{Color, Pixmap, Transform};
    use resvg::usvg::Tree;
    use resvg::usvg::fontdb::{Family, Query};

    const SCALE: f32 = 2.0;
    // The drawing asks for `sans-serif`: where no family is known by that, one that says so of itself, or else any.
    let fonts = options.fontdb_mut();
    let names = || fonts.faces().filter_map(|face| face.families.first()).map(|(name, _)| name);
    let is_plain = |name: &&String| name.contains("Sans") && !name.contains("Mono");
    let any = names().find(is_plain).or_else(|| names().next()).cloned();
    let any = any.ok_or_else(|| PictureError::NoFonts(path.to_owned()))?;
    let sans_serif = Query { families: &[Family::SansSerif], ..Query::default() };
    if fonts.query(&sans_serif).is_none() {
        fonts.set_sans_serif_family(&any);
    }
    options.font_family = any;
    let undrawn = |why: String| PictureError::Undrawn(path.to_owned(), why);
    let tree = Tree::from_str(svg, &options).map_err(|error| undrawn(error.to_string()))?;
    let [width, height] =
        [tree.size().width(), tree.size().height()].map(|side| (side * SCALE).ceil() as u32);
    let mut picture =
        Pixmap::new(width, height).ok_or_else(|| undrawn(format!("{width} x {height} is too large")))?;
    picture.fill(Color::WHITE);
    resvg::render(&tree, Transform::from_scale(SCALE, SCALE), &mut picture.as_mut());
    picture.encode_png().map_err(|error| undrawn(error.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    const SVG: &str = "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 40 20\"><text font-family=\"system-ui,sans-serif\" x=\"2\" y=\"15\">12</text></svg>";

    #[test]
    fn a_name_that_says_no_format_is_refused_before_anything_is_written() {
        let folder = tempfile::tempdir().expect("a folder");
        for name in ["plot", "plot.gif", "svg"] {
            let error = write(&folder.path().join(name), SVG).expect_err("no format");
            assert!(error.to_string().contains("end in .svg or .png"), "{error}");
        }
        assert_eq!(fs::read_dir(folder.path()).expect("it is there").count(), 0);
        write(&folder.path().join("plot.SVG"), SVG).expect("written");
        assert_eq!(fs::read_to_string(folder.path().join("plot.SVG")).expect("written"), SVG);
    }

    #[cfg(not(feature = "png"))]
    #[test]
    fn a_png_that_cannot_be_made_is_refused_with_a_way_out() {
        let error = check(Path::new("plot.png")).expect_err("built without");
        assert!(error.to_string().contains("FILE.svg"), "{error}");
    }

    #[cfg(feature = "png")]
    #[test]
    fn a_png_without_fonts_is_refused_with_a_way_out() {
        let error = drawn(Path::new("plot.png"), SVG, resvg::usvg::Options::default()).expect_err("no fonts");
        assert!(error.to_string().contains("no fonts are installed"), "{error}");
    }

    /// Where there are fonts: a machine without them is tested above.
    #[cfg(feature = "png")]
    #[test]
    fn a_png_has_words_on_white() {
        let mut options = resvg::usvg::Options::default();
        options.fontdb_mut().load_system_fonts();
        if options.fontdb.is_empty() {
            eprintln!("skipped: no fonts on this machine");
            return;
        }
        let bytes = png(Path::new("plot.png"), SVG).expect("drawn");
        let picture = resvg::tiny_skia::Pixmap::decode_png(&bytes).expect("a PNG");
        assert_eq!((picture.width(), picture.height()), (80, 40));
        let dark = picture.pixels().iter().filter(|pixel| pixel.red() < 128).count();
        assert!((20..1600).contains(&dark), "{dark} dark pixels");
    }
}
