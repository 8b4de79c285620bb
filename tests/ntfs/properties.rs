use coldstate::ntfs::{Lcn, Run, check_file_record, check_runs, lznt1, lzx, xpress_huffman};
use proptest::prelude::*;

use super::records::encode_runs;

/// Encodes as simply as LZNT1 allows: the nearest repetition of at least three bytes within the chunk, else a literal.
fn lznt1_encode(content: &[u8]) -> Vec<u8> {
    let mut stored = Vec::new();
    for chunk in content.chunks(4096) {
        let mut body = Vec::new();
        let mut at = 0;
        while at < chunk.len() {
            let flags_at = body.len();
            body.push(0_u8);
            for bit in 0..8 {
                if at >= chunk.len() {
                    break;
                }
                let distance_bits = (4..=12).find(|bits| at <= 1 << bits).unwrap();
                let longest = (1 << (16 - distance_bits)) + 2;
                let length_of = |distance: usize| {
                    let same = |index: &usize| chunk[index - distance] == chunk[*index];
                    (at..chunk.len().min(at + longest)).take_while(same).count()
                };
                match (1..=at)
                    .map(|distance| (length_of(distance), distance))
                    .find(|(length, _)| *length >= 3)
                {
                    Some((length, distance)) => {
                        let token = (distance - 1) << (16 - distance_bits) | (length - 3);
                        body.extend((token as u16).to_le_bytes());
                        body[flags_at] |= 1 << bit;
                        at += length;
                    }
                    None => {
                        body.push(chunk[at]);
                        at += 1;
                    }
                }
            }
        }
        let (flag, body) = if body.len() < 4096 { (0xB000, &body[..]) } else { (0x3000, chunk) };
        stored.extend((flag | (body.len() - 1) as u16).to_le_bytes());
        stored.extend(body);
    }
    stored
}

/// Bytes with repetitions near and far.
fn contents() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        proptest::collection::vec(any::<u8>(), 0..300),
        (any::<u8>(), 0_usize..6000).prop_map(|(byte, len)| vec![byte; len]),
        (proptest::collection::vec(0_u8..4, 1..40), 0_usize..60).prop_map(|(part, times)| part.repeat(times)),
    ];
    proptest::collection::vec(piece, 1..8).prop_map(|pieces| pieces.concat())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn runs_come_back(
        lowest in 0_u64..1 << 30,
        runs in proptest::collection::vec((1_u64..1 << 34, proptest::option::of(0_u64..1 << 40)), 0..40),
    ) {
        let mut vcn = lowest;
        let expected: Vec<Run> = runs.iter().map(|&(clusters, lcn)| {
            let run = Run { vcn, clusters, lcn: lcn.map(Lcn) };
            vcn = run.end_vcn();
            run
        }).collect();
        let stored = encode_runs(&runs);
        prop_assert_eq!(check_runs(&stored, lowest, 1 << 41), Ok(expected));
        // Cut anywhere, it is an error: the end is written.
        for len in 0..stored.len() {
            prop_assert!(check_runs(&stored[..len], lowest, 1 << 41).is_err());
        }
        let smaller = runs.iter().filter_map(|(clusters, lcn)| Some(lcn.as_ref()? + clusters)).max();
        if let Some(end) = smaller {
            prop_assert!(check_runs(&stored, lowest, end).is_ok());
            prop_assert!(check_runs(&stored, lowest, end - 1).is_err());
        }
    }

    #[test]
    fn lznt1_comes_back(content in contents()) {
        let stored = lznt1_encode(&content);
        let mut out = vec![0xEE; content.len() + 5000];
        lznt1::decode(&stored, &mut out).unwrap();
        prop_assert!(out[..content.len()] == content[..]);
        prop_assert!(out[content.len()..].iter().all(|&byte| byte == 0));
    }

    #[test]
    fn codecs_take_anything(stored in proptest::collection::vec(any::<u8>(), 0..3000), len in 0_usize..40_000) {
        let mut out = vec![0; len];
        let _ = lznt1::decode(&stored, &mut out);
        let _ = xpress_huffman::decode(&stored, &mut out);
        let _ = lzx::decode(&stored, &mut out);
        let _ = check_runs(&stored, 0, u64::MAX);
    }

    #[test]
    fn records_take_anything(mut bytes in proptest::collection::vec(any::<u8>(), 1024), at in 0_usize..1000) {
        bytes[..8].copy_from_slice(b"FILE\x30\0\x03\0");
        bytes.copy_within(0x30..0x32, 510);
        bytes.copy_within(0x30..0x32, 1022);
        bytes[0x14..0x16].copy_from_slice(&0x38_u16.to_le_bytes());
        bytes[0x18..0x1C].copy_from_slice(&(at as u32 + 24).to_le_bytes());
        // A plausible length, so that what is behind the first header is reached.
        bytes[0x3C..0x40].copy_from_slice(&((at as u32).next_multiple_of(8)).to_le_bytes());
        let _ = check_file_record(&mut bytes);
    }
}
