//! Decoding and shrinking pictures. Pure; takes a while, so call it where nothing waits for the thread.
//!
//! A picture is decoded only once its header says that it is not too large, and with bounds on what its decoder may take.

use std::io::Cursor;

use image::codecs::jpeg::JpegEncoder;
use image::imageops::FilterType;
use image::metadata::Orientation;
use image::{DynamicImage, ImageDecoder, ImageError, ImageFormat, ImageReader, Limits};

use super::{Kind, jpeg};
use crate::store::images::Meta;

/// How many pixels a picture may have.
pub(crate) const MOST_PIXELS: u64 = 50_000_000;
/// How many bytes a decoder may take: four for each pixel, and what its header tells besides.
const MOST_MEMORY: u64 = 4 * MOST_PIXELS + 16 * 1024 * 1024;
/// How many bytes are allowed while no more than the header is read.
const MOST_HEADER: u64 = 16 * 1024 * 1024;
/// Pictures with more pixels are shrunk by taking averages, which needs no more memory; smaller ones by a better filter.
const MOST_PIXELS_TO_FILTER: u64 = 4_000_000;
const QUALITY: u8 = 85;

/// Why a picture cannot be taken, as the end of a sentence.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Fault {
    /// Too many pixels or too many bytes for each.
    #[error(
        "it has too many pixels ({width} × {height}): {MOST_PIXELS} are accepted, fewer with 16 bits a channel"
    )]
    TooLarge {
        /// As its header says.
        width: u32,
        /// As its header says.
        height: u32,
    },
    /// Its header tells of more than there is memory for.
    #[error("it takes more memory than it may: at most {MOST_PIXELS} pixels are accepted")]
    TooMuch,
    /// No such picture, or not all of it.
    #[error("it cannot be decoded: {0}")]
    Broken(String),
}

impl From<ImageError> for Fault {
    fn from(error: ImageError) -> Self {
        if matches!(error, ImageError::Limits(_)) { Self::TooMuch } else { Self::Broken(error.to_string()) }
    }
}

/// What the header says of a picture.
pub(crate) fn measure(kind: Kind, bytes: &[u8]) -> Result<Meta, Fault> {
    let mut decoder = decoder(kind, bytes, MOST_HEADER)?;
    let (width, height) = decoder.dimensions();
    if u64::from(width) * u64::from(height) > MOST_PIXELS || decoder.total_bytes() > 4 * MOST_PIXELS {
        return Err(Fault::TooLarge { width, height });
    }
    if width == 0 || height == 0 {
        return Err(Fault::Broken("it has no pixels".to_owned()));
    }
    let (width, height) =
        if lies_on_its_side(orientation(&mut decoder)) { (height, width) } else { (width, height) };
    Ok(Meta { kind, width, height })
}

/// Decodes all of a picture that was measured, to know that it is one.
pub(crate) fn check(kind: Kind, bytes: &[u8]) -> Result<(), Fault> {
    match kind {
        Kind::Jpeg if !jpeg::is_whole(bytes) => return Err(Fault::Broken("its end is missing".to_owned())),
        Kind::Jpeg | Kind::Png => {}
    }
    decode(kind, bytes).map(drop)
}

/// The picture with that width, which is less than its own, in its own proportions. Upright: what else its bytes told, such as an
/// orientation or a place, is not in the smaller ones.
pub(crate) fn shrink(kind: Kind, bytes: &[u8], width: u32) -> Result<Vec<u8>, Fault> {
    let meta = measure(kind, bytes)?;
    let (whole, orientation) = decode(kind, bytes)?;
    let height = height_for(width, meta);
    let (across, down) = if lies_on_its_side(orientation) { (height, width) } else { (width, height) };
    let mut small = if u64::from(meta.width) * u64::from(meta.height) > MOST_PIXELS_TO_FILTER {
        whole.thumbnail_exact(across, down)
    } else {
        whole.resize_exact(across, down, FilterType::CatmullRom)
    };
    drop(whole);
    small.apply_orientation(orientation);
    let mut out = Vec::new();
    match kind {
        Kind::Png => small.write_to(&mut Cursor::new(&mut out), ImageFormat::Png),
        Kind::Jpeg => small.write_with_encoder(JpegEncoder::new_with_quality(&mut out, QUALITY)),
    }?;
    Ok(out)
}

/// The height that goes with `width`, to the nearest pixel, but one at least.
fn height_for(width: u32, meta: Meta) -> u32 {
    let (wide, high) = (u64::from(meta.width.max(1)), u64::from(meta.height));
    let height = (high * u64::from(width) + wide / 2) / wide;
    u32::try_from(height.max(1)).unwrap_or(u32::MAX)
}

fn decode(kind: Kind, bytes: &[u8]) -> Result<(DynamicImage, Orientation), Fault> {
    let mut decoder = decoder(kind, bytes, MOST_MEMORY)?;
    let orientation = orientation(&mut decoder);
    let image = DynamicImage::from_decoder(decoder)?;
    Ok((image, orientation))
}

/// A decoder that has read the header.
fn decoder(kind: Kind, bytes: &[u8], memory: u64) -> Result<impl ImageDecoder, Fault> {
    let format = match kind {
        Kind::Png => ImageFormat::Png,
        Kind::Jpeg => ImageFormat::Jpeg,
    };
    let mut reader = ImageReader::with_format(Cursor::new(bytes), format);
    let mut limits = Limits::default();
    limits.max_alloc = Some(memory);
    reader.limits(limits);
    Ok(reader.into_decoder()?)
}

/// How the picture has to be turned; one that does not say so, or not clearly, is upright.
fn orientation(decoder: &mut impl ImageDecoder) -> Orientation {
    decoder.orientation().unwrap_or(Orientation::NoTransforms)
}

/// True when turning it makes its width its height.
const fn lies_on_its_side(orientation: Orientation) -> bool {
    match orientation {
        Orientation::Rotate90
        | Orientation::Rotate270
        | Orientation::Rotate90FlipH
        | Orientation::Rotate270FlipH => true,
        Orientation::NoTransforms
        | Orientation::Rotate180
        | Orientation::FlipHorizontal
        | Orientation::FlipVertical => false,
    }
}

#[cfg(test)]
#[path = "picture_tests.rs"]
mod tests;
