//! Pictures as texts: `data:image/png;base64,…`. Pure.

use axum::http::StatusCode;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rest::Problem;

use super::Kind;

/// How many bytes a picture may have: 10 MiB.
pub(crate) const MOST_BYTES: usize = 10 * 1024 * 1024;

/// The kind that `url` declares, and its bytes.
///
/// # Errors
/// 413 when there are too many, 422 when it is no picture as a data URL.
pub(crate) fn read(url: &str) -> Result<(Kind, Vec<u8>), Problem> {
    let (declared, text) = apart(url).ok_or_else(|| {
        refused("it has to be a data URL of a picture: data:image/png;base64,… or data:image/jpeg;base64,…")
    })?;
    let kind = match declared {
        "image/png" => Kind::Png,
        "image/jpeg" => Kind::Jpeg,
        _ => return Err(refused("only image/png and image/jpeg are taken: convert it to one of them")),
    };
    // Three bytes are four letters: more letters need not be looked at.
    let too_many = || {
        let detail = format!("the picture is larger than {MOST_BYTES} bytes: make it smaller");
        Problem::new(StatusCode::PAYLOAD_TOO_LARGE, detail).at("/data")
    };
    if text.len() > MOST_BYTES.div_ceil(3) * 4 {
        return Err(too_many());
    }
    let bytes = STANDARD.decode(text).map_err(|error| refused(format!("it is no base64: {error}")))?;
    if bytes.len() > MOST_BYTES {
        return Err(too_many());
    }
    match Kind::of(&bytes) {
        Some(found) if found == kind => Ok((kind, bytes)),
        Some(found) => {
            Err(refused(format!("it says {declared} and is {}: declare what it is", found.as_str())))
        }
        None => Err(refused(format!("it says {declared} and its bytes are none"))),
    }
}

/// The declared type and the base64 text.
fn apart(url: &str) -> Option<(&str, &str)> {
    url.strip_prefix("data:")?.split_once(";base64,").filter(|(kind, _)| kind.len() < 100)
}

/// 422 at the one field that there is.
pub(super) fn refused(fault: impl std::fmt::Display) -> Problem {
    Problem::invalid(format!("data cannot be taken: {fault}")).at("/data")
}

#[cfg(test)]
mod tests {
    use super::*;

    const PNG: &[u8] = b"\x89PNG\r\n\x1a\n";

    fn url(kind: &str, bytes: &[u8]) -> String {
        format!("data:{kind};base64,{}", STANDARD.encode(bytes))
    }

    #[test]
    fn a_data_url_is_read_when_its_bytes_are_what_it_says() {
        assert_eq!(read(&url("image/png", PNG)), Ok((Kind::Png, PNG.to_vec())));
        let jpeg = [0xff, 0xd8, 0xff, 0xe0];
        assert_eq!(read(&url("image/jpeg", &jpeg)), Ok((Kind::Jpeg, jpeg.to_vec())));
        for (text, word) in [
            (url("image/jpeg", PNG), "is image/png"),
            (url("image/png", b"GIF89a"), "are none"),
            (url("image/gif", b"GIF89a"), "only image/png"),
            (url("image/svg+xml", b"<svg/>"), "only image/png"),
            ("data:image/png;base64,%%%".into(), "no base64"),
            ("data:image/png;base64,".into(), "are none"),
            ("data:image/png,abc".into(), "data URL"),
            ("https://example.com/a.png".into(), "data URL"),
            (String::new(), "data URL"),
        ] {
            let problem = read(&text).unwrap_err();
            assert_eq!(problem.status().as_u16(), 422, "{text}");
            assert!(problem.detail().contains(word), "{}", problem.detail());
        }
    }

    #[test]
    fn a_picture_beyond_the_limit_is_too_large_rather_than_wrong() {
        let mut bytes = PNG.to_vec();
        bytes.resize(MOST_BYTES, 0);
        assert!(read(&url("image/png", &bytes)).is_ok());
        for more in [1, 2, 3, 100] {
            bytes.resize(MOST_BYTES + more, 0);
            assert_eq!(read(&url("image/png", &bytes)).unwrap_err().status().as_u16(), 413);
        }
    }
}
