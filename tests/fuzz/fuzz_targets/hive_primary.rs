//! A primary file of any bytes: opened, walked, checked, exported, edited. Seeds: any hive.
#![no_main]

use coldstate::hive::{Hive, Strictness, ValueType, reg_text};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let Ok(mut hive) = Hive::open(bytes.to_vec(), &[], Strictness::Lenient) else { return };
    let _ = (hive.check(), hive.deleted());
    let _ = reg_text::export(hive.root(), "HKEY_USERS");
    if let Ok(key) = hive.create_key(r"a\b") {
        let _ = hive.set_value(key, "large", ValueType::Binary, &[1; 40_000]);
        let _ = hive.map_security(|_, old| old.map_sids(|sid| sid.domain()));
        let first = hive.root().subkeys().next().map(|key| key.id());
        let _ = first.map(|key| hive.delete_key(key));
        assert!(Hive::open(hive.to_bytes(), &[], Strictness::Strict).is_ok());
    }
});
