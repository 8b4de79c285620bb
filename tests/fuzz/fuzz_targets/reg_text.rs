//! `.reg` text of any bytes: what is read can be applied to a hive, and the hive stays sound. Seeds: any `.reg` file.
#![no_main]

use coldstate::{
    hive::{Hive, reg_text},
    nt::{FileTime, SecurityDescriptor},
};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let Ok(sections) = reg_text::parse(bytes) else { return };
    // A descriptor with nothing in it.
    let security = [1, 0, 0, 0x80].into_iter().chain([0; 16]).collect::<Vec<u8>>();
    let Ok(security) = SecurityDescriptor::parse(&security) else { return };
    let Ok(mut hive) = Hive::create(5, "ROOT", &security, FileTime(1)) else { return };
    let _ = hive.import(&sections, "HKEY_CURRENT_USER");
    assert!(hive.check().is_sound());
});
