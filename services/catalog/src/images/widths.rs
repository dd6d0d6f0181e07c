//! Which widths pictures are made in: a bounded number, each made once and kept.

/// The widths that every picture can be had in. A width between them is made as it was asked for while the picture has few of
/// those; after that the next of these is shown.
const LADDER: [u32; 26] = [
    16, 32, 48, 64, 80, 96, 128, 160, 192, 240, 256, 320, 400, 480, 512, 640, 768, 800, 960, 1024, 1280,
    1600, 1920, 2560, 3200, 4096,
];

/// How many widths that are not on the ladder are made of a picture.
pub(crate) const MOST_OTHERS: i64 = 32;

/// The ladder, for the database.
pub(crate) fn ladder() -> Vec<i32> {
    LADDER.iter().filter_map(|width| i32::try_from(*width).ok()).collect()
}

/// True of a width that every picture can be had in.
pub(crate) fn is_on_the_ladder(width: u32) -> bool {
    LADDER.contains(&width)
}

/// What is shown for a width that is not made any more: the greatest of the ladder that is not wider.
pub(crate) fn below(width: u32) -> u32 {
    LADDER.iter().copied().filter(|step| *step <= width).max().unwrap_or(LADDER[0])
}

/// The width that is shown when `wanted` is asked for: `None` is the picture as it came, which is never enlarged.
pub(crate) fn width_to_show(wanted: Option<u32>, own: u32) -> Option<u32> {
    wanted.filter(|wanted| *wanted < own)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_picture_is_never_enlarged() {
        assert_eq!(width_to_show(Some(100), 400), Some(100));
        assert_eq!(width_to_show(Some(400), 400), None);
        assert_eq!(width_to_show(Some(4096), 400), None);
        assert_eq!(width_to_show(None, 400), None);
    }

    #[test]
    fn a_width_between_two_steps_is_shown_as_the_lower_one() {
        assert!(LADDER.is_sorted());
        for (wanted, shown) in [(16, 16), (17, 16), (639, 512), (640, 640), (4095, 3200), (4096, 4096)] {
            assert_eq!(below(wanted), shown);
            assert!(is_on_the_ladder(shown));
        }
    }
}
