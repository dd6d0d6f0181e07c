use image::{GenericImageView, GrayImage, Rgb, RgbImage};

use super::*;

fn image(width: u32, height: u32) -> RgbImage {
    RgbImage::from_fn(
        width,
        height,
        |x, y| if x < width / 2 { Rgb([250, 0, 0]) } else { Rgb([0, 0, y as u8]) },
    )
}

fn written(kind: Kind, image: impl Into<DynamicImage>) -> Vec<u8> {
    let format = match kind {
        Kind::Png => ImageFormat::Png,
        Kind::Jpeg => ImageFormat::Jpeg,
    };
    let mut bytes = Cursor::new(Vec::new());
    image.into().write_to(&mut bytes, format).unwrap();
    bytes.into_inner()
}

/// With an EXIF segment that says how the picture is to be turned.
fn turned(jpeg: &[u8], orientation: u8) -> Vec<u8> {
    let mut exif = b"Exif\0\0MM\0\x2a\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0".to_vec();
    exif.extend([orientation, 0, 0, 0, 0, 0, 0]);
    let mut bytes = jpeg[..2].to_vec();
    bytes.extend([0xff, 0xe1]);
    bytes.extend(u16::try_from(exif.len() + 2).unwrap().to_be_bytes());
    bytes.extend(exif);
    bytes.extend(&jpeg[2..]);
    bytes
}

fn crc(bytes: &[u8]) -> u32 {
    let step = |crc: u32, byte: &u8| {
        (0..8).fold(
            crc ^ u32::from(*byte),
            |crc, _| if crc & 1 == 1 { (crc >> 1) ^ 0xedb8_8320 } else { crc >> 1 },
        )
    };
    !bytes.iter().fold(u32::MAX, step)
}

/// A PNG whose header promises that many pixels.
fn promising(width: u32, height: u32, depth: u8, color: u8) -> Vec<u8> {
    let mut header = b"IHDR".to_vec();
    header.extend(width.to_be_bytes());
    header.extend(height.to_be_bytes());
    header.extend([depth, color, 0, 0, 0]);
    let mut bytes = b"\x89PNG\r\n\x1a\n\0\0\0\x0d".to_vec();
    bytes.extend(&header);
    bytes.extend(crc(&header).to_be_bytes());
    let end = b"IDAT";
    bytes.extend(0_u32.to_be_bytes());
    bytes.extend(end);
    bytes.extend(crc(end).to_be_bytes());
    bytes
}

fn taken(kind: Kind, bytes: &[u8]) -> Result<Meta, Fault> {
    let meta = measure(kind, bytes)?;
    check(kind, bytes).map(|()| meta)
}

fn fault(kind: Kind, bytes: &[u8]) -> String {
    taken(kind, bytes).unwrap_err().to_string()
}

#[test]
fn a_picture_is_decoded_and_measured() {
    for kind in [Kind::Png, Kind::Jpeg] {
        let meta = taken(kind, &written(kind, image(40, 30))).unwrap();
        assert_eq!(meta, Meta { kind, width: 40, height: 30 });
    }
    assert!(taken(Kind::Jpeg, &written(Kind::Jpeg, GrayImage::new(3, 3))).is_ok());
}

#[test]
fn what_breaks_off_or_is_none_cannot_be_decoded() {
    for kind in [Kind::Png, Kind::Jpeg] {
        let whole = written(kind, image(200, 200));
        for length in [3, 10, 30, whole.len() / 2] {
            assert!(fault(kind, &whole[..length]).contains("cannot be decoded"), "{length} of {kind:?}");
        }
        let mut damaged = whole.clone();
        damaged[20..40].fill(0);
        assert!(taken(kind, &damaged).is_err());
    }
}

#[test]
fn a_header_that_promises_too_much_is_refused_before_anything_is_decoded() {
    let too_many = promising(10_000, 5_001, 8, 2);
    assert!(
        fault(Kind::Png, &too_many).contains("too many pixels (10000 × 5001)"),
        "{}",
        fault(Kind::Png, &too_many)
    );
    assert!(fault(Kind::Png, &promising(u32::MAX >> 1, u32::MAX >> 1, 8, 6)).contains("more memory"));
    assert!(
        fault(Kind::Png, &promising(6_000, 6_000, 16, 6)).contains("too many pixels"),
        "16 bits a channel"
    );
    assert!(fault(Kind::Png, &promising(0, 10, 8, 2)).contains("cannot be decoded"));
    assert!(
        fault(Kind::Png, &promising(5_000, 5_000, 8, 2)).contains("cannot be decoded"),
        "nothing follows"
    );
}

#[test]
fn a_picture_is_made_smaller_in_its_proportions_and_kind() {
    for kind in [Kind::Png, Kind::Jpeg] {
        let small = shrink(kind, &written(kind, image(400, 300)), 40).unwrap();
        assert_eq!(Kind::of(&small), Some(kind));
        assert_eq!(measure(kind, &small), Ok(Meta { kind, width: 40, height: 30 }));
        let pixels = image::load_from_memory(&small).unwrap();
        assert!(pixels.get_pixel(5, 5).0[0] > 200, "the left half is red");
        assert!(pixels.get_pixel(35, 5).0[0] < 50, "the right one is not");
    }
    let long = shrink(Kind::Png, &written(Kind::Png, image(3000, 1)), 16).unwrap();
    assert_eq!(measure(Kind::Png, &long).map(|meta| (meta.width, meta.height)), Ok((16, 1)));
}

#[test]
fn a_large_picture_is_made_smaller_by_averages() {
    let small = shrink(Kind::Png, &written(Kind::Png, image(2500, 2000)), 50).unwrap();
    let pixels = image::load_from_memory(&small).unwrap();
    assert_eq!(pixels.dimensions(), (50, 40));
    assert!(pixels.get_pixel(5, 5).0[0] > 200 && pixels.get_pixel(45, 5).0[0] < 50);
}

#[test]
fn a_picture_on_its_side_is_measured_and_made_smaller_upright() {
    let lying = turned(&written(Kind::Jpeg, image(400, 200)), 6);
    assert_eq!(taken(Kind::Jpeg, &lying).map(|meta| (meta.width, meta.height)), Ok((200, 400)));
    let small = shrink(Kind::Jpeg, &lying, 50).unwrap();
    assert_eq!(measure(Kind::Jpeg, &small).map(|meta| (meta.width, meta.height)), Ok((50, 100)));
    let pixels = image::load_from_memory(&small).unwrap();
    assert!(pixels.get_pixel(25, 10).0[0] > 200, "what was left is above");
}
