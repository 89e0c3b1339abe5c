//! malloc_trim(3): memory that is free goes back to the kernel.

/// Gives back what the allocator keeps for later. Takes some milliseconds of a big heap: for after
/// a rush, not for every day. Does nothing where the C library has no such call.
pub fn give_back() {
    #[cfg(target_env = "gnu")]
    // SAFETY: takes no pointers, and the library's own locks; what is in use is not touched.
    unsafe {
        libc::malloc_trim(0);
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn what_is_in_use_stays() {
        let kept: Vec<Vec<u8>> = (0..1000_u16).map(|n| vec![n as u8; 100]).collect();
        super::give_back();
        assert!(
            kept.iter()
                .zip(0..)
                .all(|(bytes, n): (_, u16)| bytes[99] == n as u8)
        );
    }
}
