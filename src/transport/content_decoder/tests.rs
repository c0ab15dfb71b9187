use std::io::Write;
use std::pin::pin;
use std::task::{Context, Poll, Waker};

use flate2::Compression;
use flate2::write::GzEncoder;
#[cfg(feature = "deflate")]
use flate2::write::{DeflateEncoder, ZlibEncoder};
use proptest::prelude::*;
use reqwest::header::{HeaderMap, HeaderValue};

use super::super::coding::codings;
use super::*;

fn gzip(plain: &[u8]) -> Vec<u8> {
    let mut compressed = GzEncoder::new(Vec::new(), Compression::fast());
    compressed.write_all(plain).unwrap();
    compressed.finish().unwrap()
}

#[derive(Debug, PartialEq)]
struct Came {
    plain: Vec<u8>,
    problem: Option<String>,
    /// The length of the longest chunk.
    longest: usize,
    /// How often the decoder yielded.
    pauses: usize,
}

/// Decodes a body that arrives in these chunks, until more than `most` bytes are decoded.
fn decoded<'p>(codings: &[Coding], chunks: impl IntoIterator<Item = &'p [u8]>, most: usize) -> Came {
    let mut content_decoder = ContentDecoder::by(codings);
    let mut chunks = chunks.into_iter();
    let mut came = Came { plain: Vec::new(), problem: None, longest: 0, pauses: 0 };
    let mut context = Context::from_waker(Waker::noop());
    loop {
        let decoded = {
            let mut advance = pin!(content_decoder.advance());
            loop {
                match advance.as_mut().poll(&mut context) {
                    Poll::Ready(decoded) => break decoded,
                    Poll::Pending => came.pauses += 1,
                }
            }
        };
        match decoded {
            Ok(DecoderOutput::Chunk(chunk)) => {
                assert!(!chunk.is_empty(), "an empty chunk");
                came.longest = came.longest.max(chunk.len());
                came.plain.extend_from_slice(&chunk);
                if came.plain.len() >= most {
                    return came;
                }
            }
            Ok(DecoderOutput::NeedsInput) => match chunks.next() {
                Some(chunk) => content_decoder.push(Bytes::copy_from_slice(chunk)),
                None => content_decoder.end(),
            },
            Ok(DecoderOutput::End) => return came,
            Err(problem) => {
                came.problem = Some(problem.to_string());
                return came;
            }
        }
    }
}

fn whole(codings: &[Coding], compressed: &[u8]) -> Result<Vec<u8>, String> {
    let came = decoded(codings, [compressed], usize::MAX);
    let dripped = decoded(codings, compressed.chunks(1), usize::MAX);
    // The result doesn't depend on the chunks.
    assert_eq!(came.problem, dripped.problem);
    match came.problem {
        None if dripped.plain != came.plain => {
            panic!("byte by byte, the result is {:?}", String::from_utf8_lossy(&dripped.plain))
        }
        None => Ok(came.plain),
        Some(problem) => Err(problem),
    }
}

#[cfg(feature = "gzip")]
#[test]
fn every_truncated_prefix_is_reported() {
    let (first, second) = (gzip(b"{\"name\": \"first"), gzip(b" and second\"}"));
    let both = [&first[..], &second[..]].concat();
    for length in 0..=both.len() {
        let came = whole(&[Coding::Gzip], &both[..length]);
        // A cut at a member's end can't be detected, nor one after a byte of the next member's magic bytes,
        // which may be padding.
        let plain: &[u8] = match length {
            0 => b"",
            _ if length == first.len() || length == first.len() + 1 => b"{\"name\": \"first",
            _ if length == both.len() => b"{\"name\": \"first and second\"}",
            _ => {
                assert!(
                    came.as_ref().is_err_and(|problem| problem.contains("truncated")),
                    "{length}: {came:?}"
                );
                continue;
            }
        };
        assert_eq!(came.as_deref(), Ok(plain), "{length}");
    }
}

#[cfg(feature = "gzip")]
#[test]
fn bytes_after_last_member_are_ignored() {
    for padding in [&[0][..], &[0; 1_000], b"\r\n", b"\x1f", b"\x1f\x8a more", b"garbage \x1f\x8b"] {
        let compressed = [&gzip(b"a")[..], &gzip(b""), &gzip(b"b"), padding].concat();
        assert_eq!(whole(&[Coding::Gzip], &compressed).as_deref(), Ok(&b"ab"[..]), "{padding:?}");
    }
    let damaged = {
        let mut compressed = gzip(b"some text");
        let checksum = compressed.len() - 8;
        compressed[checksum] ^= 1;
        compressed
    };
    assert!(whole(&[Coding::Gzip], &damaged).unwrap_err().contains("can't be decompressed"));
}

#[test]
fn plain_text_under_label_is_kept() {
    for coding in Coding::ALL.into_iter().filter(|coding| coding.is_supported()) {
        for text in [
            "",
            "{}",
            "[]",
            "0",
            "null",
            "\"x\"",
            " ",
            "[1,2]",
            "{\"detail\": \"Not found.\"}",
            "x^2",
            "<html><title>Not found",
        ] {
            assert_eq!(
                whole(&[coding], text.as_bytes()).as_deref(),
                Ok(text.as_bytes()),
                "{coding:?} {text}"
            );
        }
        let long = format!("{{\"이름\": \"{}\"}}", "값".repeat(100_000));
        assert_eq!(whole(&[coding], long.as_bytes()).as_deref(), Ok(long.as_bytes()), "{coding:?}");
    }
}

#[cfg(feature = "gzip")]
#[test]
fn wasteful_nested_coding_is_refused() {
    // Each member has a 900 KiB file name and one byte of content, and compresses again to almost nothing.
    let mut member = flate2::GzBuilder::new()
        .filename(vec![b'a'; 900 << 10])
        .write(Vec::new(), flate2::Compression::best());
    std::io::Write::write_all(&mut member, b" ").unwrap();
    let inner = member.finish().unwrap().repeat(40);
    let body = gzip(&inner);
    assert!(body.len() < 1_000_000, "{}", body.len());
    assert!(whole(&[Coding::Gzip; 2], &body).unwrap_err().contains("far more than the body"));
    // With a single coding it is accepted.
    assert_eq!(whole(&[Coding::Gzip], &inner).unwrap().len(), 40);
}

#[cfg(feature = "gzip")]
#[test]
fn stacked_codings_undone_in_order() {
    let plain = b"{\"a\": 1}".repeat(20_000);
    let once = gzip(&plain);
    let twice = gzip(&once);
    assert_eq!(whole(&[Coding::Gzip; 2], &twice).unwrap(), plain);
    // Labelled twice, compressed once.
    assert_eq!(whole(&[Coding::Gzip; 2], &once).unwrap(), plain);
    assert!(whole(&[Coding::Gzip; 2], &twice[..twice.len() - 9]).unwrap_err().contains("truncated"));
    assert!(whole(&[Coding::Gzip; 5], &once).unwrap_err().contains("more than 4 content codings"));
}

#[cfg(feature = "deflate")]
#[test]
fn deflate_read_with_or_without_zlib() {
    let plain = b"{\"a\": 1}".repeat(20_000);
    let mut wrapped = ZlibEncoder::new(Vec::new(), Compression::fast());
    wrapped.write_all(&plain).unwrap();
    let mut bare = DeflateEncoder::new(Vec::new(), Compression::fast());
    bare.write_all(&plain).unwrap();
    for compressed in [wrapped.finish().unwrap(), bare.finish().unwrap()] {
        assert_eq!(whole(&[Coding::Deflate], &compressed).unwrap(), plain);
        assert!(
            whole(&[Coding::Deflate], &compressed[..compressed.len() / 2]).unwrap_err().contains("truncated")
        );
        assert_eq!(whole(&[Coding::Deflate], &[&compressed[..], &[0; 9]].concat()).unwrap(), plain);
    }
}

#[cfg(any(feature = "brotli", feature = "zstd"))]
fn compressed(mut encoder: impl compression_codecs::EncodeV2, plain: &[u8]) -> Vec<u8> {
    let mut room = vec![0; plain.len() + 1_000];
    let mut output = WriteBuffer::new_initialized(&mut room);
    let mut input = PartialBuffer::new(plain);
    while !input.unwritten().is_empty() {
        encoder.encode(&mut input, &mut output).unwrap();
    }
    while !encoder.finish(&mut output).unwrap() {}
    output.written().to_vec()
}

#[cfg(feature = "brotli")]
#[test]
fn brotli_is_decompressed() {
    use compression_codecs::BrotliEncoder;
    use compression_codecs::brotli::params::EncoderParams;

    for plain in [Vec::new(), b"{}".to_vec(), b"{\"a\": 1}".repeat(20_000)] {
        let compressed = compressed(BrotliEncoder::new(EncoderParams::default()), &plain);
        assert_eq!(whole(&[Coding::Brotli], &compressed).unwrap(), plain);
        assert_eq!(whole(&[Coding::Brotli], &[&compressed[..], &[0; 99]].concat()).unwrap(), plain);
    }
    let compressed = compressed(BrotliEncoder::new(EncoderParams::default()), &b"{\"a\": 1}".repeat(20_000));
    assert!(whole(&[Coding::Brotli], &compressed[..compressed.len() - 3]).unwrap_err().contains("truncated"));
}

#[cfg(feature = "zstd")]
#[test]
fn all_zstd_frames_are_read() {
    use compression_codecs::ZstdEncoder;

    let plain = b"{\"a\": 1}".repeat(20_000);
    let frame = compressed(ZstdEncoder::new(3), &plain);
    let skipped = b"\x51\x2a\x4d\x18\x03\0\0\0abc";
    let both = [&skipped[..], &frame, skipped, &frame, b"\0\0\0\0"].concat();
    assert_eq!(whole(&[Coding::Zstd], &both).unwrap(), plain.repeat(2));
    assert!(whole(&[Coding::Zstd], &frame[..frame.len() - 3]).unwrap_err().contains("truncated"));
    // A frame of eight bytes that requests a window of 128 MiB.
    let window = [0x28, 0xb5, 0x2f, 0xfd, 0x00, 0x88, 0x01, 0x00];
    assert!(whole(&[Coding::Zstd], &window).unwrap_err().contains("can't be decompressed"));
}

/// 100 MB from 100 kB: each step returns a chunk of bounded size, and yields.
#[cfg(feature = "gzip")]
#[test]
fn bomb_unpacks_in_bounded_steps() {
    let bomb = gzip(&vec![b' '; 100_000_000]);
    let came = decoded(&[Coding::Gzip], [&bomb[..]], 10_000_000);
    assert_eq!(came.longest, STEP);
    assert!(came.pauses >= 10_000_000 / STEP - 1, "{}", came.pauses);
    assert!(came.plain.len() < 10_000_000 + STEP);
    let twice = gzip(&bomb);
    let came = decoded(&[Coding::Gzip; 2], [&twice[..]], 10_000_000);
    assert!(came.longest == STEP && came.plain.len() < 10_000_000 + STEP);
}

#[cfg(feature = "gzip")]
#[test]
fn endless_empty_members_are_refused() {
    let nothing = gzip(b"");
    let members = MAX_WITHOUT_OUTPUT / nothing.len() + 2;
    let came = decoded(&[Coding::Gzip], std::iter::repeat_n(&nothing[..], 10 * members), usize::MAX);
    assert!(came.problem.is_some_and(|problem| problem.contains("4097 members")));
    // An endless file name.
    let head = [0x1f, 0x8b, 8, 8, 0, 0, 0, 0, 0, 0];
    let name = [b'n'; 1 << 10];
    let chunks = std::iter::once(&head[..]).chain(std::iter::repeat_n(&name[..], 10_000));
    assert!(
        decoded(&[Coding::Gzip], chunks, usize::MAX)
            .problem
            .is_some_and(|problem| problem.contains("nothing"))
    );
}

#[test]
fn unknown_encoding_labels_are_ignored() {
    let headers =
        |label: &str| HeaderMap::from_iter([(CONTENT_ENCODING, HeaderValue::from_str(label).unwrap())]);
    for label in
        ["", "aws-chunked", "utf-8", "UTF-8, binary", "none", "identity", "null", ",", "*", "gzip;q=1"]
    {
        assert_eq!(codings(&headers(label)), [], "{label}");
    }
    for (label, coding) in [
        ("X-GZIP", "gzip"),
        ("aws-chunked, br", "br"),
        (" ,Zstd", "zstd"),
        ("deflate", "deflate"),
        ("compress", "compress"),
    ] {
        assert_eq!(
            codings(&headers(label)).iter().map(|name| name.as_str()).collect::<Vec<_>>(),
            [coding],
            "{label}"
        );
    }
    let two = codings(&headers("gzip, utf-8,br"));
    assert_eq!(two.iter().map(|name| name.as_str()).collect::<Vec<_>>(), ["gzip", "br"]);
    assert_eq!(codings(&headers(&"gzip,".repeat(100))).len(), MAX_CODINGS + 1);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, failure_persistence: None, ..ProptestConfig::default() })]

    /// For any bytes, labels and chunks, decoding ends, and each chunk is within its limit.
    #[test]
    fn any_bytes_end_under_any_label(
        marked in 0..4_usize,
        bytes in proptest::collection::vec(any::<u8>(), 0..600),
        cut in 1..40_usize,
        codings in proptest::collection::vec(0..4_usize, 0..6),
        flips in proptest::collection::vec((any::<u16>(), any::<u8>()), 0..3),
    ) {
        let codings: Vec<_> = codings.into_iter().map(|index| Coding::ALL[index]).filter(|coding| coding.is_supported()).collect();
        let mut body = match marked {
            0 => gzip(&bytes),
            1 => [&[0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 0][..], &bytes].concat(),
            2 => [&[0x28, 0xb5, 0x2f, 0xfd][..], &bytes].concat(),
            _ => bytes,
        };
        for (at, bits) in flips {
            let length = body.len().max(1);
            if let Some(byte) = body.get_mut(usize::from(at) % length) {
                *byte ^= bits;
            }
        }
        let came = decoded(&codings, body.chunks(cut), 1 << 20);
        prop_assert!(came.longest <= STEP);
        let again = decoded(&codings, [&body[..]], 1 << 20);
        if came.problem.is_none() && again.problem.is_none() {
            prop_assert!(came.plain == again.plain);
        }
    }
}

#[test]
fn many_tiny_members_are_refused() {
    let members = |count: usize, plain: &[u8]| gzip(plain).repeat(count);
    let few = members(4_000, b"1");
    let came = decoded(&[Coding::of("gzip").unwrap()], [&few[..]], usize::MAX);
    assert_eq!((came.plain.len(), came.problem), (4_000, None));
    assert!(came.pauses >= 3_999, "it yielded {} times", came.pauses);
    let large = members(6_000, &[b'1'; 100]);
    assert_eq!(decoded(&[Coding::of("gzip").unwrap()], [&large[..]], usize::MAX).problem, None);
    let many = members(20_000, b"1");
    let problem = decoded(&[Coding::of("gzip").unwrap()], [&many[..]], usize::MAX).problem.unwrap();
    assert!(problem.contains("4162 members"), "{problem}");
    let nested = gzip(&many);
    let twice = [Coding::of("gzip").unwrap(), Coding::of("gzip").unwrap()];
    assert!(decoded(&twice, [&nested[..]], usize::MAX).problem.unwrap().contains("members"));
}
