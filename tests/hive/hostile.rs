//! Hostile bytes. Each hive is damaged at random places, half of the time with the checksum put right; then everything
//! is done to it that can be. Nothing may panic or run without end; an edit may fail, but a strict hive it leaves opens.

use coldstate::hive::{ValueType, reg_text};

use super::*;

/// Damaged copies of each hive; with `COLDSTATE_LONG` the second.
const COPIES: [u64; 2] = [20, 3000];

fn next(seed: &mut u64) -> usize {
    *seed ^= *seed << 13;
    *seed ^= *seed >> 7;
    *seed ^= *seed << 17;
    (*seed >> 20) as usize
}

/// Overwrites a few fields with numbers that bounds are made of, preferring the heads of structures.
fn damage(bytes: &mut [u8], seed: &mut u64) {
    for _ in 0..1 + next(seed) % 24 {
        let at = match next(seed) % 4 {
            0 => next(seed) % 4096.min(bytes.len()),
            _ => next(seed) % bytes.len(),
        } & !3;
        let fields = [0, 1, 4, 0x20, 0x7FFF_FFFF, 0x8000_0000, 0xFFFF_FFFF, 0xFFFF_FFF8, next(seed) as u32];
        let field = match next(seed) % 3 {
            // A reference to some other place of the hive.
            0 => (next(seed) % bytes.len()) as u32 & !7,
            _ => fields[next(seed) % fields.len()],
        };
        if let Some(place) = bytes.get_mut(at..at + 4) {
            place.copy_from_slice(&field.to_le_bytes());
        }
    }
    if next(seed).is_multiple_of(2) && bytes.len() > 512 {
        bytes[..4].copy_from_slice(b"regf");
        let words = bytes[..508].as_chunks::<4>().0.iter().map(|word| u32::from_le_bytes(*word));
        let sum = words.fold(0, |sum, word| sum ^ word).clamp(1, u32::MAX - 1);
        bytes[508..512].copy_from_slice(&sum.to_le_bytes());
        bytes.copy_within(4..8, 8);
    }
}

fn do_everything(mut hive: Hive, seed: &mut u64) {
    dump(&hive);
    let _ = (hive.check(), hive.deleted(), reg_text::export(hive.root(), "HKEY_USERS\\x"));
    let mut keys = vec![hive.root()];
    let mut ids = Vec::new();
    while let Some(key) = keys.pop() {
        let _ = (key.security(), key.class(), key.path());
        ids.push(key.id());
        keys.extend(key.subkeys());
    }
    for _ in 0..30 {
        let id = ids[next(seed) % ids.len()];
        let number = next(seed) % 50;
        let name = number.to_string();
        let _ = match next(seed) % 6 {
            0 => hive.create_subkey(id, name.as_str()).map(|_| ()),
            1 => hive.delete_key(id),
            2 => hive.set_value(id, name.as_str(), ValueType::Binary, &vec![1; number * 700]),
            3 => hive.map_security(|_, old| old.map_sids(|sid| sid.rid().map(|rid| sid.with_rid(rid)))),
            4 => hive.set_class(id, Some(&name.as_str().into())),
            _ => hive.set_security(id, &descriptor_for(&"S-1-5-32-544".parse().unwrap())),
        };
    }
    dump(&hive);
}

#[test]
fn damaged_hives_neither_panic_nor_hang() {
    let copies = COPIES[usize::from(std::env::var_os("COLDSTATE_LONG").is_some())];
    for (_, bytes) in primaries().into_iter().filter(|(_, bytes)| bytes.len() < 600_000) {
        for copy in 0..copies {
            let mut seed = 0x1234_5678_9ABC_DEF1 ^ copy << 32 ^ bytes.len() as u64;
            let mut bytes = bytes.clone();
            damage(&mut bytes, &mut seed);
            if copy % 8 == 0 {
                bytes.truncate(next(&mut seed) % bytes.len());
            }
            if let Ok(hive) = Hive::open(bytes, &[], Strictness::Lenient) {
                do_everything(hive, &mut seed);
            }
        }
    }
}

#[test]
fn damaged_logs_neither_panic_nor_grow_the_hive_without_bound() {
    let Some(corpus) = corpus() else { return };
    let sets = [
        ("yarp/NewDirtyHive1/NewDirtyHive", "yarp/NewDirtyHive1/NewDirtyHive.LOG1"),
        ("yarp/OldDirtyHive/OldDirtyHive", "yarp/OldDirtyHive/OldDirtyHive.LOG1"),
    ];
    let copies = COPIES[usize::from(std::env::var_os("COLDSTATE_LONG").is_some())];
    for (primary, log) in sets {
        let (primary, log) = (load(&corpus.join(primary)), load(&corpus.join(log)));
        for copy in 1..copies * 4 {
            let mut seed = copy.wrapping_mul(0x9E37_79B9_7F4A_7C15);
            let (mut primary, mut log) = (primary.clone(), log.clone());
            damage(&mut log, &mut seed);
            if copy % 2 == 0 {
                damage(&mut primary[..4096], &mut seed);
                // Dirty again, where the damage was given a clean base block.
                primary[4] ^= 1;
            }
            let before = primary.len() + log.len();
            if let Ok(hive) = Hive::open(primary, &[log], Strictness::Lenient) {
                assert!(hive.as_bytes().len() <= before);
                dump(&hive);
            }
        }
    }
}

#[test]
fn damaged_text_is_an_error_and_no_panic() {
    let mut hive = empty(5);
    let key = hive.create_key(r"Software\Ä").unwrap();
    hive.set_value(key, "a \"b\"", ValueType::Binary, &[3; 200]).unwrap();
    hive.set_value(key, "", ValueType::Sz, &[0x41, 0, 0, 0]).unwrap();
    let text = reg_text::to_file(&reg_text::export(hive.root(), "HKEY_USERS\\x"));
    let mut seed = 99;
    for _ in 0..3000 {
        let mut text = text.clone();
        for _ in 0..1 + next(&mut seed) % 4 {
            let at = 2 + next(&mut seed) % (text.len() - 2);
            text[at] = b"[]\"\\=-@;:,\n\r0gx("[next(&mut seed) % 16];
        }
        text.truncate(text.len() - next(&mut seed) % 40);
        if let Ok(sections) = reg_text::parse(&text) {
            let mut hive = hive.clone();
            let _ = hive.import(&sections, "HKEY_USERS\\x");
            assert!(hive.check().is_sound());
        }
    }
}
