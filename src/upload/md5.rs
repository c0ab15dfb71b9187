//! MD5 whose digest can also be read before the end, while more bytes follow.

use fast_md5::{BLOCK_SIZE, transform};

/// The MD5 of bytes that are added one block after the other. `fast_md5` provides the core; its own hasher
/// returns the digest only once, at the end.
#[derive(Debug, Clone)]
pub(super) struct Md5 {
    state: [u32; 4],
    /// Number of hashed bytes, including those in `block`.
    length: u64,
    /// The bytes after the last whole block.
    block: [u8; BLOCK_SIZE],
}

/// Where a block's last eight bytes begin, which contain the length.
const LENGTH: usize = BLOCK_SIZE - 8;

impl Md5 {
    pub(super) fn new() -> Self {
        // RFC 1321, section 3.3.
        let state = [0x6745_2301, 0xefcd_ab89, 0x98ba_dcfe, 0x1032_5476];
        Md5 { state, length: 0, block: [0; BLOCK_SIZE] }
    }

    /// Returns the number of hashed bytes.
    pub(super) fn length(&self) -> u64 {
        self.length
    }

    pub(super) fn update(&mut self, mut bytes: &[u8]) {
        let held = self.held();
        self.length = self.length.wrapping_add(bytes.len() as u64);
        if held > 0 {
            let (more, rest) = bytes.split_at(bytes.len().min(BLOCK_SIZE - held));
            self.block[held..held + more.len()].copy_from_slice(more);
            if held + more.len() < BLOCK_SIZE {
                return;
            }
            transform(&mut self.state, &self.block);
            bytes = rest;
        }
        let (blocks, rest) = bytes.as_chunks::<BLOCK_SIZE>();
        for block in blocks {
            transform(&mut self.state, block);
        }
        self.block[..rest.len()].copy_from_slice(rest);
    }

    /// Returns the number of bytes in the incomplete block.
    fn held(&self) -> usize {
        (self.length % BLOCK_SIZE as u64) as usize
    }

    /// Returns the digest of what was hashed so far, in hexadecimal.
    pub(super) fn md5_hex(&self) -> String {
        // RFC 1321, sections 3.1 and 3.2: one bit, zeros, and the length in bits.
        let (mut state, mut block, held) = (self.state, self.block, self.held());
        block[held] = 0x80;
        block[held + 1..].fill(0);
        if held >= LENGTH {
            transform(&mut state, &block);
            block.fill(0);
        }
        block[LENGTH..].copy_from_slice(&self.length.wrapping_mul(8).to_le_bytes());
        transform(&mut state, &block);
        let digest: Vec<u8> = state.iter().flat_map(|word| word.to_le_bytes()).collect();
        base16ct::lower::encode_string(&digest)
    }
}

#[cfg(test)]
mod tests {
    use md5::Digest as _;
    use proptest::prelude::*;

    use super::Md5;

    /// The digest from another implementation.
    fn sum_of(bytes: &[u8]) -> String {
        base16ct::lower::encode_string(&md5::Md5::digest(bytes))
    }

    #[test]
    fn md5_matches_at_each_length() {
        let bytes: Vec<u8> = (0..300_u32).map(|at| (at * 31 / 7) as u8).collect();
        let mut byte_by_byte = Md5::new();
        for length in 0..=bytes.len() {
            let mut whole = Md5::new();
            whole.update(&bytes[..length]);
            assert_eq!((whole.md5_hex(), whole.length()), (sum_of(&bytes[..length]), length as u64));
            assert_eq!(byte_by_byte.md5_hex(), whole.md5_hex());
            byte_by_byte.update(bytes.get(length..=length).unwrap_or_default());
        }
    }

    proptest! {
        #[test]
        fn md5_matches_after_each_update(blocks in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..200), 0..20)) {
            let (mut md5, mut so_far) = (Md5::new(), Vec::new());
            for block in blocks {
                md5.update(&block);
                so_far.extend_from_slice(&block);
                prop_assert_eq!((md5.md5_hex(), md5.length()), (sum_of(&so_far), so_far.len() as u64));
            }
        }
    }
}
