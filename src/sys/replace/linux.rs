//! On Linux: the attributes are copied, then the file is renamed. ntfs-3g shows the Windows ones (security descriptor,
//! hidden and system flags, times) as extended attributes `system.ntfs_…`, which it does not list.

use std::{io, path::Path};

/// Extended attributes of ntfs-3g that a file of Windows must keep.
const NTFS: [&str; 2] = ["system.ntfs_acl", "system.ntfs_attrib"];

/// Replaces `path` by `temporary`, a file of the same folder. A crash leaves one of the two, whole.
///
/// # Errors
/// When the permissions cannot be passed on or the file system refuses the rename.
pub fn replace(temporary: &Path, path: &Path) -> io::Result<()> {
    if let Ok(metadata) = fs_err::metadata(path) {
        fs_err::set_permissions(temporary, metadata.permissions())?;
        let listed = xattr::list(path).into_iter().flatten();
        for name in listed.chain(NTFS.map(Into::into)) {
            // Other file systems know nothing of these names, and some are not for everyone to set.
            if let Ok(Some(value)) = xattr::get(path, &name) {
                let _ = xattr::set(temporary, &name, &value);
            }
        }
    }
    fs_err::rename(temporary, path)?;
    // The rename is on disk when its folder is.
    if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        fs_err::File::open(folder)?.sync_all()?;
    }
    Ok(())
}
