//! Digests in response headers. A file gets its final name only if it matches each of them.

use std::time::Duration;

use crate::support::file_server::{FileServer, labelled, names, noise, ranged, response};
use crate::support::marker::{Failure, MARKER, TOKEN};
use crate::support::tcp_server::Seen;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sha2::Digest as _;
use synapse_backend_client::{BackendClient, Download, Error, ErrorKind, RetryPolicy};

const ETAG: &str = "\"one\"";
const SIZE: usize = 100_000;
const CUT: usize = 60_000;

fn client(url: impl Into<String>) -> BackendClient {
    let policy = RetryPolicy::new().max_retries(3).initial_backoff(Duration::from_micros(1));
    BackendClient::builder(url).access_token(TOKEN).retry(policy).build().unwrap()
}

fn download(server: &FileServer) -> Download {
    client(server.url()).download(format!("/media/file.bin?X-Amz-Signature={MARKER}"))
}

/// Returns the digest of the bytes in base64. `name` is its name in the headers.
fn digest(name: &str, bytes: &[u8]) -> String {
    STANDARD.encode(match name {
        "md5" => md5::Md5::digest(bytes).to_vec(),
        "sha" => sha1::Sha1::digest(bytes).to_vec(),
        "sha-256" => sha2::Sha256::digest(bytes).to_vec(),
        "sha-512" => sha2::Sha512::digest(bytes).to_vec(),
        "crc32" => crc::Crc::<u32>::new(&crc::CRC_32_ISO_HDLC).checksum(bytes).to_be_bytes().to_vec(),
        "crc32c" => crc::Crc::<u32>::new(&crc::CRC_32_ISCSI).checksum(bytes).to_be_bytes().to_vec(),
        "crc64nvme" => crc::Crc::<u64>::new(&crc::CRC_64_NVME).checksum(bytes).to_be_bytes().to_vec(),
        other => panic!("{other}"),
    })
}

/// Returns headers with digests of the bytes, and for each the words that its error contains.
fn labels(bytes: &[u8]) -> Vec<(String, [String; 3])> {
    let of = |name: &str| digest(name, bytes);
    let label = |header: &str, value: String, algorithm: &str, digest: String| {
        (format!("{header}: {value}"), [header.to_owned(), algorithm.to_owned(), digest])
    };
    vec![
        label("Content-MD5", of("md5"), "MD5", of("md5")),
        label(
            "Content-Digest",
            format!("unixsum=:AAAA:, sha-256=:{}:;q=1", of("sha-256")),
            "SHA-256",
            of("sha-256"),
        ),
        label("Content-Digest", format!("md5=:{}:", of("md5")), "MD5", of("md5")),
        label("Repr-Digest", format!("sha-512=:{}:", of("sha-512")), "SHA-512", of("sha-512")),
        label("Repr-Digest", format!("sha=:{}:,crc32c=:{}:", of("sha"), of("crc32c")), "SHA-1", of("sha")),
        label("Digest", format!("adler32=03da0195,SHA-256={}", of("sha-256")), "SHA-256", of("sha-256")),
        label("Digest", format!("SHA={}", of("sha")), "SHA-1", of("sha")),
        label("x-goog-hash", format!("crc32c={}", of("crc32c")), "CRC-32C", of("crc32c")),
        label("x-goog-hash", format!("x=y,md5={}", of("md5")), "MD5", of("md5")),
        label("x-amz-checksum-crc32", of("crc32"), "CRC-32", of("crc32")),
        label("x-amz-checksum-crc32c", of("crc32c"), "CRC-32C", of("crc32c")),
        label("x-amz-checksum-crc64nvme", of("crc64nvme"), "CRC-64/NVME", of("crc64nvme")),
        label("x-amz-checksum-sha1", of("sha"), "SHA-1", of("sha")),
        label("x-amz-checksum-sha256", of("sha-256"), "SHA-256", of("sha-256")),
    ]
}

type Respond = Box<dyn Fn(&Seen) -> Vec<u8> + Send + Sync>;

/// Returns a server that sends these responses in order, and repeats the last one.
async fn giving(responses: Vec<Respond>) -> FileServer {
    FileServer::start(move |number, asked| responses[number.min(responses.len() - 1)](asked)).await
}

fn assert_mismatch(error: &Error, words: &[String; 3], attempts: u32) {
    let shown = error.to_string();
    assert_eq!((error.kind(), error.attempts()), (ErrorKind::Download, attempts), "{shown}");
    assert!(
        words.iter().all(|word| shown.contains(word)) && shown.contains("the received bytes have"),
        "{shown}"
    );
}

#[tokio::test]
async fn truncated_body_fails_digest() {
    let file = noise(SIZE, 1);
    for (label, words) in labels(&file) {
        let directory = tempfile::tempdir().unwrap();
        let target = directory.path().join("file.bin");
        let (content, head) = (file.clone(), label.clone());
        let server = FileServer::start(move |number, asked| {
            labelled(asked, &content, &head, if number == 0 { CUT } else { usize::MAX })
        })
        .await;
        assert_eq!(download(&server).to(&target).await.unwrap().bytes, SIZE as u64, "{label}");
        assert!(std::fs::read(&target).unwrap() == file, "{label}");
        assert_eq!(server.ranges(), [None, None], "{label}");
        // If the body is always truncated, the previous file stays.
        std::fs::write(&target, "before").unwrap();
        let content = file.clone();
        let server = FileServer::start(move |_, asked| {
            labelled(asked, &content, &format!("{label}\nETag: {ETAG}"), CUT)
        })
        .await;
        assert_mismatch(&download(&server).to(&target).await.failure(), &words, 4);
        assert_eq!(server.ranges(), [None; 4]);
        assert_eq!(std::fs::read(&target).unwrap(), b"before");
        assert_eq!(names(directory.path()), ["file.bin"]);
    }
}

/// The expected size or checksum also reveals a truncated body.
#[tokio::test]
async fn expected_size_reveals_truncated_body() {
    let file = noise(SIZE, 12);
    let hex: String = md5::Md5::digest(&file).iter().map(|byte| format!("{byte:02x}")).collect();
    let expecting =
        |server: &FileServer| [download(server).size(SIZE as u64), download(server).checksum(&hex)];
    for index in 0..2 {
        let directory = tempfile::tempdir().unwrap();
        let target = directory.path().join("file.bin");
        let content = file.clone();
        let server = FileServer::start(move |number, asked| {
            labelled(asked, &content, "Accept-Ranges: none", if number == 0 { CUT } else { usize::MAX })
        })
        .await;
        expecting(&server).into_iter().nth(index).unwrap().to(&target).await.unwrap();
        assert!(std::fs::read(&target).unwrap() == file);
        assert_eq!(server.ranges(), [None, None]);
        // A chunked body marks its end, so it counts as complete.
        let server = FileServer::start(|_, _| {
            response("200 OK\nTransfer-Encoding: chunked", b"3\r\nabc\r\n0\r\n\r\n")
        })
        .await;
        let error = expecting(&server).into_iter().nth(index).unwrap().to(&target).await.failure();
        assert_eq!((error.kind(), server.seen().len()), (ErrorKind::Download, 1), "{error}");
    }
}

#[tokio::test]
async fn unusable_digest_headers_are_ignored() {
    let file = noise(1_000, 2);
    let wrong = |name: &str| digest(name, b"another");
    for label in [
        format!("x-amz-checksum-sha256: {}-3", wrong("sha-256")),
        format!("x-amz-checksum-crc32c: {}\nx-amz-checksum-type: COMPOSITE", wrong("crc32c")),
        "Digest: unixsum=1,unixcksum=2,adler32=03da0195,crc32c=x,id-sha-256=AAAA".to_owned(),
        "Repr-Digest: sha-256=AAAA, sha-999=:AAAA:, md5=::, sha-512=?1".to_owned(),
        "Content-Digest: ,,=:;\"md5=:AAAAAAAAAAAAAAAAAAAAAA==:\"".to_owned(),
        "Content-MD5: 900150983cd24fb0d6963f7d28e17f72".to_owned(),
        "Content-MD5: (none)\nx-amz-checksum-sha1:\nx-goog-hash: md5".to_owned(),
        // An `ETag` may look like an MD5, but it only names a version.
        "ETag: \"900150983cd24fb0d6963f7d28e17f72\"".to_owned(),
        // Google's storage stores this file compressed and decompresses it in transit.
        format!("x-goog-hash: md5={}\nx-goog-stored-content-encoding: gzip", wrong("md5")),
        format!("Repr-Digest: md5=:{}:\nWarning: 214 proxy \"transformed\"", wrong("md5")),
    ] {
        let directory = tempfile::tempdir().unwrap();
        let content = file.clone();
        let head = label.clone();
        let server = FileServer::start(move |_, asked| labelled(asked, &content, &head, usize::MAX)).await;
        let target = directory.path().join("file.bin");
        assert_eq!(download(&server).to(&target).await.unwrap().bytes, 1_000, "{label}");
        assert_eq!(server.seen().len(), 1, "{label}");
    }
}

/// The API gives the size of the stored file, which is compressed here.
#[tokio::test]
async fn transcoded_file_matches_stored_size() {
    let directory = tempfile::tempdir().unwrap();
    let target = directory.path().join("file.bin");
    let label = "x-goog-stored-content-encoding: gzip\nx-goog-stored-content-length: 700";
    let server =
        FileServer::start(move |_, asked| labelled(asked, &noise(1_000, 2), label, usize::MAX)).await;
    assert_eq!(download(&server).size(700).to(&target).await.unwrap().bytes, 1_000);
    assert_eq!(download(&server).size(701).to(&target).await.failure().kind(), ErrorKind::Download);
}

#[tokio::test]
async fn resumed_file_verified_by_full_digest() {
    let file = noise(SIZE, 3);
    let good = digest("sha-256", &file);
    let label = format!("ETag: {ETAG}\nRepr-Digest: sha-256=:{good}:");
    let mut bad = file.clone();
    bad[5] ^= 1;
    // The digest comes with the first response or only with the second one. The first part is correct or
    // corrupt.
    for (first_label, second_label, first, second) in [
        (label.clone(), format!("ETag: {ETAG}"), file.clone(), file.clone()),
        (format!("ETag: {ETAG}"), label.clone(), file.clone(), file.clone()),
        (label.clone(), format!("ETag: {ETAG}"), bad.clone(), file.clone()),
        (format!("ETag: {ETAG}"), label.clone(), bad.clone(), file.clone()),
    ] {
        let directory = tempfile::tempdir().unwrap();
        let target = directory.path().join("file.bin");
        let spoilt = first != file;
        let whole = file.clone();
        let again = label.clone();
        let server = giving(vec![
            Box::new(move |asked| {
                labelled(asked, &first, &format!("{first_label}\nContent-Length: {SIZE}"), CUT)
            }),
            Box::new(move |asked| labelled(asked, &second, &second_label, usize::MAX)),
            Box::new(move |asked| labelled(asked, &whole, &again, usize::MAX)),
        ])
        .await;
        assert_eq!(download(&server).to(&target).await.unwrap().bytes, SIZE as u64);
        assert!(std::fs::read(&target).unwrap() == file);
        assert_eq!(server.ranges(), if spoilt { vec![None, Some(CUT), None] } else { vec![None, Some(CUT)] });
    }
}

#[tokio::test]
async fn next_download_verifies_saved_digest() {
    let directory = tempfile::tempdir().unwrap();
    let target = directory.path().join("file.bin");
    let file = noise(SIZE, 4);
    let first_label = format!("ETag: {ETAG}\nContent-Length: {SIZE}\nDigest: md5={}", digest("md5", &file));
    let (first, second) = (file.clone(), file.clone());
    let server = giving(vec![
        Box::new(move |asked| labelled(asked, &first, &first_label, CUT)),
        Box::new(|_| response("403 Forbidden\nContent-Length: 0", b"")),
        Box::new(move |asked| ranged(asked, &second, ETAG, usize::MAX)),
    ])
    .await;
    assert!(download(&server).to(&target).await.failure().is_forbidden());
    let part = names(directory.path()).into_iter().find(|name| name.ends_with(".part")).unwrap();
    let mut bytes = std::fs::read(directory.path().join(&part)).unwrap();
    bytes[5] ^= 1;
    std::fs::write(directory.path().join(&part), bytes).unwrap();
    let downloaded = download(&server).to(&target).await.unwrap();
    assert_eq!((downloaded.bytes, downloaded.resumed_from), (SIZE as u64, 0));
    assert!(std::fs::read(&target).unwrap() == file);
    assert_eq!(server.ranges(), [None, Some(CUT), Some(CUT), None]);
    assert_eq!(names(directory.path()), ["file.bin"]);
}

/// A part that doesn't match its digest is dropped. The bytes before it stay.
#[tokio::test]
async fn corrupt_range_alone_is_refetched() {
    let file = noise(SIZE, 5);
    let rest = &file[CUT..];
    let mut bad = file.clone();
    bad[CUT + 7] ^= 1;
    for name in ["md5", "sha-256", "sha-512", "crc32c"] {
        let directory = tempfile::tempdir().unwrap();
        let target = directory.path().join("file.bin");
        let label = format!("ETag: {ETAG}\nContent-Digest: {name}=:{}:", digest(name, rest));
        let (first, second, third, again) = (file.clone(), bad.clone(), file.clone(), label.clone());
        let server = giving(vec![
            Box::new(move |asked| ranged(asked, &first, ETAG, CUT)),
            Box::new(move |asked| labelled(asked, &second, &label, usize::MAX)),
            Box::new(move |asked| labelled(asked, &third, &again, usize::MAX)),
        ])
        .await;
        assert_eq!(download(&server).to(&target).await.unwrap().bytes, SIZE as u64);
        assert!(std::fs::read(&target).unwrap() == file);
        assert_eq!(server.ranges(), [None, Some(CUT), Some(CUT)]);
    }
    // Every response has a wrong digest.
    let directory = tempfile::tempdir().unwrap();
    let target = directory.path().join("file.bin");
    let words = ["Content-Digest".to_owned(), "MD5".to_owned(), digest("md5", b"another")];
    let label = format!("ETag: {ETAG}\nContent-Digest: md5=:{}:", words[2]);
    let server = giving(vec![
        Box::new({
            let first = file.clone();
            move |asked| ranged(asked, &first, ETAG, CUT)
        }),
        Box::new(move |asked| labelled(asked, &file, &label, usize::MAX)),
    ])
    .await;
    let error = download(&server).to(&target).await.failure();
    assert_mismatch(&error, &words, 4);
    assert!(error.to_string().contains("60000 bytes are kept") && !target.exists(), "{error}");
    assert_eq!(server.ranges(), [None, Some(CUT), Some(CUT), Some(CUT)]);
}

/// `Content-MD5` of a part covers the part, but some servers send the whole file's MD5. The same applies to
/// S3's checksums.
#[tokio::test]
async fn part_md5_may_cover_whole_file() {
    let file = noise(SIZE, 6);
    let mut bad = file.clone();
    bad[5] ^= 1;
    let digests = |bytes: &[u8]| {
        [
            format!("Content-MD5: {}", digest("md5", bytes)),
            format!("x-amz-checksum-sha1: {}", digest("sha", bytes)),
        ]
    };
    for index in 0..2 {
        for (label, first, expected) in [
            (&digests(&file[CUT..])[index], &file, vec![None, Some(CUT)]),
            (&digests(&file)[index], &file, vec![None, Some(CUT)]),
            // If neither matches, the corrupt bytes are unknown, so the download restarts.
            (&digests(&file)[index], &bad, vec![None, Some(CUT), None]),
            (&digests(b"another")[index], &file, vec![None, Some(CUT), None]),
        ] {
            let directory = tempfile::tempdir().unwrap();
            let target = directory.path().join("file.bin");
            let label = format!("ETag: {ETAG}\n{label}");
            let (first, second, third) = (first.clone(), file.clone(), file.clone());
            let server = giving(vec![
                Box::new(move |asked| ranged(asked, &first, ETAG, CUT)),
                Box::new(move |asked| labelled(asked, &second, &label, usize::MAX)),
                Box::new(move |asked| ranged(asked, &third, ETAG, usize::MAX)),
            ])
            .await;
            assert_eq!(download(&server).to(&target).await.unwrap().bytes, SIZE as u64);
            assert!(std::fs::read(&target).unwrap() == file);
            assert_eq!(server.ranges(), expected);
        }
    }
}

/// An interrupted part can't be compared with its digest. Its digest is not the whole file's either.
#[tokio::test]
async fn interrupted_part_is_no_mismatch() {
    let file = noise(SIZE, 7);
    for has_length in [true, false] {
        let directory = tempfile::tempdir().unwrap();
        let target = directory.path().join("file.bin");
        let label = |from: usize| {
            let (md5, length) = (digest("md5", &file[from..]), SIZE - from);
            match has_length {
                true => format!(
                    "ETag: {ETAG}\nContent-MD5: {md5}\nContent-Digest: md5=:{md5}:\nContent-Length: {length}"
                ),
                false => format!("ETag: {ETAG}\nContent-MD5: {md5}"),
            }
        };
        let (first, second) = (label(CUT), label(CUT + 20_000));
        let [one, two, three] = [file.clone(), file.clone(), file.clone()];
        let server = giving(vec![
            Box::new(move |asked| ranged(asked, &one, ETAG, CUT)),
            Box::new(move |asked| labelled(asked, &two, &first, 20_000)),
            Box::new(move |asked| labelled(asked, &three, &second, usize::MAX)),
        ])
        .await;
        assert_eq!(download(&server).to(&target).await.unwrap().bytes, SIZE as u64);
        assert!(std::fs::read(&target).unwrap() == file);
        assert_eq!(server.ranges(), [None, Some(CUT), Some(CUT + 20_000)]);
    }
}

#[tokio::test]
async fn checksums_are_never_requested() {
    let directory = tempfile::tempdir().unwrap();
    let file = noise(SIZE, 8);
    let content = file.clone();
    let server = FileServer::start(move |number, asked| {
        ranged(asked, &content, ETAG, if number == 0 { CUT } else { usize::MAX })
    })
    .await;
    let url = format!(
        "/bucket/x?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-SignedHeaders=host&X-Amz-Signature={MARKER}"
    );
    client(server.url()).download(url).to(directory.path().join("x")).await.unwrap();
    let asked = server.seen();
    assert_eq!(asked.len(), 2);
    for asked in asked {
        assert_eq!(asked.header("x-amz-checksum-mode"), None);
        assert_eq!(asked.header("want-content-digest"), None);
    }
}

/// A size from any response applies to all later ones.
#[tokio::test]
async fn size_from_earlier_response_holds() {
    let file = noise(SIZE, 9);
    let etag = format!("ETag: {ETAG}");
    let weak = "ETag: W/\"one\"".to_owned();
    // Without validators, the server sends the whole file again, without a length and truncated.
    for label in [weak.clone(), String::new()] {
        let directory = tempfile::tempdir().unwrap();
        let target = directory.path().join("file.bin");
        let (first, second, third) = (file.clone(), file.clone(), file.clone());
        let heads = [format!("{label}\nContent-Length: {SIZE}"), label.clone(), label];
        let [one, two, three] = heads.map(|head| head.trim_start().to_owned());
        let server = giving(vec![
            Box::new(move |asked| labelled(asked, &first, &one, CUT)),
            Box::new(move |asked| labelled(asked, &second, &two, CUT + 10)),
            Box::new(move |asked| labelled(asked, &third, &three, usize::MAX)),
        ])
        .await;
        assert_eq!(download(&server).to(&target).await.unwrap().bytes, SIZE as u64);
        assert!(std::fs::read(&target).unwrap() == file);
        assert_eq!(server.ranges(), [None; 3]);
    }
    // One part states the size. The next part and the final 416 don't.
    let directory = tempfile::tempdir().unwrap();
    let target = directory.path().join("file.bin");
    let part = |from: usize, to: usize, size: &str, etag: &str| {
        format!(
            "206 Partial Content\n{etag}\nContent-Range: bytes {from}-{}/{size}\nContent-Length: {}",
            to - 1,
            to - from
        )
    };
    let (one, two, three, four) = (file.clone(), file.clone(), file.clone(), file.clone());
    let heads = [part(CUT, 70_000, "100000", &etag), part(70_000, 80_000, "*", &etag), etag.clone()];
    let [second, third, last] = heads;
    let server = giving(vec![
        Box::new(move |_| {
            response(
                &format!("200 OK\n{etag}\nTransfer-Encoding: chunked"),
                &[b"EA60\r\n", &one[..CUT], b"\r\n"].concat(),
            )
        }),
        Box::new(move |_| response(&second, &two[CUT..70_000])),
        Box::new(move |_| response(&third, &three[70_000..80_000])),
        Box::new(|_| {
            response("416 Range Not Satisfiable\nContent-Range: bytes */80000\nContent-Length: 0", b"")
        }),
        Box::new(move |asked| labelled(asked, &four, &last, usize::MAX)),
    ])
    .await;
    assert_eq!(download(&server).to(&target).await.unwrap().bytes, SIZE as u64);
    assert!(std::fs::read(&target).unwrap() == file);
    assert_eq!(server.ranges(), [None, Some(CUT), Some(70_000), Some(80_000), None]);
    // A version has one size, so another size is accepted only if it is stated twice.
    let (one, two) = (file.clone(), file.clone());
    let server = giving(vec![
        Box::new(move |_| response(&format!("200 OK\nETag: {ETAG}\nContent-Length: {SIZE}"), &one[..CUT])),
        Box::new(|_| response(&format!("200 OK\nETag: {ETAG}\nContent-Length: 10"), &[7; 10])),
        Box::new(move |_| response(&format!("200 OK\nETag: {ETAG}\nContent-Length: {SIZE}"), &two)),
    ])
    .await;
    assert_eq!(download(&server).to(&target).await.unwrap().bytes, SIZE as u64);
    assert!(std::fs::read(&target).unwrap() == file);
}

/// If the server doesn't state the total size, the end of a part is not the end of the file.
#[tokio::test]
async fn range_of_unknown_total_continues() {
    let directory = tempfile::tempdir().unwrap();
    let target = directory.path().join("file.bin");
    let file = noise(SIZE, 10);
    let content = file.clone();
    let server = FileServer::start(move |_, asked| match asked.range_start() {
        None => response(
            &format!("200 OK\nETag: {ETAG}\nTransfer-Encoding: chunked"),
            &[b"EA60\r\n", &content[..CUT], b"\r\n"].concat(),
        ),
        Some(SIZE) => response(
            &format!("416 Range Not Satisfiable\nContent-Range: bytes */{SIZE}\nContent-Length: 0"),
            b"",
        ),
        Some(from) => {
            let to = SIZE.min(from + 20_000);
            let head = format!("206 Partial Content\nETag: {ETAG}\nContent-Range: bytes {from}-{}/*", to - 1);
            response(&head, &content[from..to])
        }
    })
    .await;
    let policy = RetryPolicy::new().max_retries(10).initial_backoff(Duration::from_micros(1));
    assert_eq!(download(&server).retry(policy).to(&target).await.unwrap().bytes, SIZE as u64);
    assert!(std::fs::read(&target).unwrap() == file);
    assert_eq!(server.ranges(), [None, Some(CUT), Some(80_000), Some(SIZE)]);
}

/// A body ends where its header says, even if more bytes follow.
#[tokio::test]
async fn oversized_range_stops_at_its_length() {
    let directory = tempfile::tempdir().unwrap();
    let target = directory.path().join("file.bin");
    let file = noise(SIZE, 11);
    let (first, content) = (file.clone(), file.clone());
    let too_long = move |asked: &Seen| {
        let from = asked.range_start().unwrap();
        let head =
            format!("206 Partial Content\nETag: {ETAG}\nContent-Range: bytes {from}-{}/{SIZE}", from + 9);
        response(&head, &content[from..])
    };
    let last = file.clone();
    let server = giving(vec![
        Box::new(move |asked| ranged(asked, &first, ETAG, CUT)),
        Box::new(too_long),
        Box::new(move |asked| ranged(asked, &last, ETAG, usize::MAX)),
    ])
    .await;
    assert_eq!(download(&server).to(&target).await.unwrap().bytes, SIZE as u64);
    assert!(std::fs::read(&target).unwrap() == file);
    assert_eq!(server.ranges(), [None, Some(CUT), Some(CUT)]);
}
