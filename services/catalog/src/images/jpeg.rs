//! Is a JPEG whole? The decoder takes one that breaks off, and fills what is missing with grey. Pure.

const MARKER: u8 = 0xff;
const START_OF_SCAN: u8 = 0xda;
const END_OF_IMAGE: u8 = 0xd9;

/// True when the picture's end is there. What precedes the scan is passed over by its lengths, since it may hold a picture of its
/// own, a preview, with an end of its own; within a scan no data looks like an end.
pub(super) fn is_whole(bytes: &[u8]) -> bool {
    scan(bytes).is_some_and(|scan| scan.windows(2).any(|two| two == [MARKER, END_OF_IMAGE]))
}

/// What follows the beginning of the first scan.
fn scan(bytes: &[u8]) -> Option<&[u8]> {
    let mut rest = bytes.get(2..)?;
    loop {
        let [MARKER, marker, after @ ..] = rest else { return None };
        match *marker {
            // Markers may be filled up.
            MARKER => rest = rest.get(1..)?,
            START_OF_SCAN => return Some(after),
            _ => {
                let [high, low, ..] = *after else { return None };
                rest = after.get(usize::from(u16::from_be_bytes([high, low])).max(2)..)?;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BEFORE: &[u8] = &[0xff, 0xd8, 0xff, 0xe1, 0, 4, 0xff, 0xd9];

    #[test]
    fn the_end_of_a_preview_is_not_that_of_the_picture() {
        assert!(!is_whole(BEFORE));
        let mut bytes = BEFORE.to_vec();
        bytes.extend([0xff, 0xff, 0xda, 0, 2, 1, 2, 3]);
        assert!(!is_whole(&bytes));
        bytes.extend([0xff, 0xd9, 0, 0]);
        assert!(is_whole(&bytes), "with something after it");
    }

    #[test]
    fn no_bytes_are_read_that_are_not_there() {
        for bytes in [&[][..], &[0xff], &[0xff, 0xd8], &[0xff, 0xd8, 0xff], &[0xff, 0xd8, 0xff, 0xe0, 0xff]] {
            assert!(!is_whole(bytes));
        }
        assert!(!is_whole(&[0xff, 0xd8, 0xff, 0xe0, 0, 0, 0xff, 0xe0, 0xff, 0xff]));
    }
}
