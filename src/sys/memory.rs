//! malloc_trim(3) and mallopt(3): how much memory the C library keeps for later.

/// Free memory at the end of the heap that is kept, and the size from which a block is a mapping of
/// its own, in bytes.
#[cfg(target_env = "gnu")]
const KEPT: libc::c_int = 256 * 1024;

/// Has the allocator keep little for later: one heap for all threads, since those of the pool only
/// read units and write pictures, each of which would leave half a heap behind; and no more at
/// the end of it for a large block that was there once. To be called before there are threads.
pub fn be_frugal() {
    #[cfg(target_env = "gnu")]
    // SAFETY: changes numbers of the allocator's own, under its lock.
    unsafe {
        libc::mallopt(libc::M_ARENA_MAX, 1);
        libc::mallopt(libc::M_TRIM_THRESHOLD, KEPT);
        libc::mallopt(libc::M_MMAP_THRESHOLD, KEPT);
    }
}

/// Gives back what the allocator keeps for later. Takes some milliseconds of a big heap: for after
/// a rush, not for every day. Does nothing where the C library has no such call.
pub fn give_back() {
    #[cfg(target_env = "gnu")]
    {
        empty_own_cache();
        // SAFETY: takes no pointers, and the library's own locks; what is in use is not touched.
        unsafe {
            libc::malloc_trim(0);
        }
    }
}

/// Steps between the sizes of block that the allocator keeps apart, the largest of those that it
/// keeps a few of for each thread, and more than it keeps of one size; all in bytes but the last.
#[cfg(target_env = "gnu")]
const CACHED: (usize, usize, usize) = (16, 1040, 8);

/// Gives this thread's own store of small free blocks back to all: it holds hundreds of them, each
/// of which may keep a page of a heap that was large once. There is no call for that, but a
/// thread's store goes with the thread: so the blocks are taken out and freed in one that ends.
#[cfg(target_env = "gnu")]
fn empty_own_cache() {
    let (step, largest, count) = CACHED;
    let sizes = (step..largest).step_by(step);
    let blocks = sizes.flat_map(|size| std::iter::repeat_n(size, count));
    let blocks: Vec<Vec<u8>> = blocks.map(Vec::with_capacity).collect();
    let freed = std::thread::Builder::new().spawn(move || drop(blocks));
    // Where no thread can be had they stay in this one's.
    let _ = freed.map(std::thread::JoinHandle::join);
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
