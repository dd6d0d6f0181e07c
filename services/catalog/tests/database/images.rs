//! Pictures, taken and shown.

use std::io::Cursor;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use catalog::Uploader;
use image::{DynamicImage, ImageFormat, RgbImage};
use rest::{IdempotencyKey, Problem};

use crate::world::Database;

pub fn png(width: u32, height: u32) -> Vec<u8> {
    let mut bytes = Cursor::new(Vec::new());
    let image = RgbImage::from_fn(width, height, |x, y| image::Rgb([(x % 256) as u8, (y % 256) as u8, 7]));
    DynamicImage::from(image).write_to(&mut bytes, ImageFormat::Png).unwrap();
    bytes.into_inner()
}

fn data(kind: &str, bytes: &[u8]) -> String {
    format!("data:{kind};base64,{}", STANDARD.encode(bytes))
}

/// The id of the picture, taken for `u-1`.
pub async fn take(database: &Database, bytes: Vec<u8>) -> Result<String, Problem> {
    let uploader = Uploader { user: "u-1", editor: false };
    let stored = database.images.take(data("image/png", &bytes), uploader, &IdempotencyKey(None)).await?;
    assert_eq!(stored.status, 201);
    Ok(stored.body["id"].as_str().unwrap().to_owned())
}

#[tokio::test]
async fn the_same_picture_is_kept_once_under_the_hash_of_its_bytes() {
    let database = Database::make().await;
    let bytes = png(40, 30);
    let id = take(&database, bytes.clone()).await.unwrap();
    assert_eq!(take(&database, bytes.clone()).await.unwrap(), id);
    assert_ne!(take(&database, png(41, 30)).await.unwrap(), id);
    assert_eq!(database.count("images").await, 2);
    let (status, headers, body) = database.get(&format!("/images/{id}"), &[]).await;
    assert_eq!((status.as_u16(), body), (200, bytes));
    for (name, value) in [
        ("content-type", "image/png"),
        ("cache-control", "public, max-age=31536000, immutable"),
        ("x-content-type-options", "nosniff"),
        ("vary", "accept"),
        ("etag", &format!("\"{id}\"")),
    ] {
        assert_eq!(headers[name], value, "{name}");
    }
    database.drop().await;
}

#[tokio::test]
async fn what_is_no_picture_is_refused_and_nothing_is_kept() {
    let database = Database::make().await;
    let whole = png(200, 200);
    for (bytes, status) in [
        (whole[..whole.len() / 2].to_vec(), 422),
        (b"GIF89a".to_vec(), 422),
        (vec![0; 10 * 1024 * 1024 + 1], 413),
    ] {
        assert_eq!(take(&database, bytes).await.unwrap_err().status().as_u16(), status);
    }
    let declared_otherwise = data("image/jpeg", &whole);
    let uploader = Uploader { user: "u-1", editor: true };
    let refused = database.images.take(declared_otherwise, uploader, &IdempotencyKey(None)).await;
    assert_eq!(refused.unwrap_err().status().as_u16(), 422);
    assert_eq!(database.count("images").await, 0);
    database.drop().await;
}

#[tokio::test]
async fn a_smaller_width_is_made_once_and_a_larger_one_never() {
    let database = Database::make().await;
    let bytes = png(64, 48);
    let id = take(&database, bytes.clone()).await.unwrap();
    let path = format!("/images/{id}?width=32");
    let (status, headers, small) = database.get(&path, &[]).await;
    assert_eq!((status.as_u16(), &headers["content-type"]), (200, &"image/png".parse().unwrap()));
    let decoded = image::load_from_memory(&small).unwrap();
    assert_eq!((decoded.width(), decoded.height()), (32, 24));
    assert_eq!(database.get(&path, &[]).await.2, small);
    assert_eq!(database.count("image_widths").await, 1);
    for larger in [64, 65, 4096] {
        assert_eq!(database.get(&format!("/images/{id}?width={larger}"), &[]).await.2, bytes);
    }
    let shown = async |width: u32| {
        let (status, headers, body) = database.get(&format!("/images/{id}?width={width}"), &[]).await;
        assert_eq!(status, 200);
        (image::load_from_memory(&body).unwrap().width(), headers["etag"].clone(), body)
    };
    // 16, 32 and 48 are on the ladder; of the others the first 32 that are asked for are made.
    let first = shown(17).await;
    for width in (16..52).chain(16..52) {
        assert_eq!(shown(width).await.0, if width <= 50 { width } else { 48 });
    }
    assert_eq!(database.count("image_widths").await, 32 + 3);
    assert_eq!(shown(17).await, first, "made once and kept");
    assert_eq!(shown(60).await, shown(48).await, "of the same bytes, under the same tag");
    for fault in ["15", "4097", "0", "-1", "x", ""] {
        assert_eq!(database.get(&format!("/images/{id}?width={fault}"), &[]).await.0, 400, "{fault:?}");
    }
    for nothing in ["0".repeat(64), "mug.png".into(), id.to_uppercase()] {
        assert_eq!(database.get(&format!("/images/{nothing}"), &[]).await.0, 404, "{nothing}");
    }
    database.drop().await;
}

#[tokio::test]
async fn a_picture_is_text_for_who_wants_text_and_nothing_for_who_has_it() {
    let database = Database::make().await;
    let bytes = png(40, 30);
    let path = format!("/images/{}", take(&database, bytes.clone()).await.unwrap());
    let (_, headers, body) = database.get(&path, &[("accept", "text/plain")]).await;
    assert_eq!(
        (&headers["content-type"], &headers["vary"]),
        (&"text/plain".parse().unwrap(), &"accept".parse().unwrap())
    );
    assert_eq!(STANDARD.decode(body).unwrap(), bytes);
    let tag = headers["etag"].to_str().unwrap();
    let (status, _, body) = database.get(&path, &[("accept", "text/plain"), ("if-none-match", tag)]).await;
    assert_eq!((status.as_u16(), body.len()), (304, 0));
    assert_eq!(database.get(&path, &[("if-none-match", tag)]).await.0, 200, "the picture is something else");
    database.drop().await;
}

#[tokio::test]
async fn a_user_brings_a_thousand_pictures_at_most_and_an_editor_any_number() {
    let database = Database::make().await;
    sqlx::query(
        "INSERT INTO images (id, kind, width, height, bytes, uploaded_by)
         SELECT lpad(to_hex(number), 64, '0'), 'image/png', 1, 1, '', 'u-1' FROM generate_series(1, 1000) AS number",
    )
    .execute(database.store.pool())
    .await
    .unwrap();
    assert_eq!(take(&database, png(4, 4)).await.unwrap_err().status().as_u16(), 409);
    let uploader = Uploader { user: "u-1", editor: true };
    let taken = database.images.take(data("image/png", &png(4, 4)), uploader, &IdempotencyKey(None)).await;
    assert_eq!(taken.unwrap().status, 201);
    database.drop().await;
}
