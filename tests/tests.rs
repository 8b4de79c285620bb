//! The one integration test binary; each module says what it shows.

/// The import rules of `src/README.md` hold.
mod architecture;
