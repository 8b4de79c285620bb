//! Changing security: each descriptor is stored once, counts the keys that use it, and stands in the ring of all.

use std::collections::HashMap;

use super::{
    CellIndex, Hive, HiveError, Key, KeyId,
    bytes::put,
    key_node,
    key_security::{self, BLINK, FLINK, KeySecurity, REFERENCE_COUNT},
};
use crate::nt::SecurityDescriptor;

/// Security cells of the hive by their descriptor; made when first needed.
pub(super) type SecurityIndex = HashMap<Box<[u8]>, CellIndex>;

impl Hive {
    /// Gives a key a security descriptor. One that has it already is left alone.
    ///
    /// # Errors
    /// When the ring of security cells is damaged, or the hive cannot be edited.
    pub fn set_security(&mut self, key: KeyId, descriptor: &SecurityDescriptor) -> Result<(), HiveError> {
        let found = self.key_by_id(key)?;
        let old = found.node().security;
        if found.security().is_ok_and(|there| there.as_ref() == Some(descriptor)) {
            return Ok(());
        }
        let time = self.begin_edit()?;
        let new = self.security_cell(descriptor.as_bytes())?;
        self.move_to_security(key.0, old, new)?;
        self.touch(key.0, time)
    }

    /// Gives keys other security descriptors, where `map` names one for a key. Times of keys stay: the change is not
    /// one a user made.
    ///
    /// # Errors
    /// When a descriptor that is used is damaged, or the hive cannot be edited.
    pub fn map_security(
        &mut self,
        map: impl Fn(Key<'_>, &SecurityDescriptor) -> Option<SecurityDescriptor>,
    ) -> Result<(), HiveError> {
        let mut moves = Vec::new();
        let mut keys = vec![self.root()];
        while let Some(key) = keys.pop() {
            keys.extend(key.subkeys());
            let Some(old) = key.security()? else { continue };
            moves.extend(
                map(key, &old).filter(|new| *new != old).map(|new| (key.id().0, key.node().security, new)),
            );
        }
        if moves.is_empty() {
            return Ok(());
        }
        self.begin_edit()?;
        for (key, old, new) in moves {
            let new = self.security_cell(new.as_bytes())?;
            self.move_to_security(key, old, new)?;
        }
        Ok(())
    }

    fn move_to_security(&mut self, key: CellIndex, old: CellIndex, new: CellIndex) -> Result<(), HiveError> {
        // Counted up first, so that giving a key the descriptor it has does not free it.
        self.add_security_reference(new)?;
        self.put_fields(key, &[(key_node::SECURITY, new.0)])?;
        self.drop_security_reference(old)
    }

    /// The cell that holds a descriptor; made, with no key using it yet, when there is none.
    pub(super) fn security_cell(&mut self, descriptor: &[u8]) -> Result<CellIndex, HiveError> {
        if self.securities.is_none() {
            let mut index = SecurityIndex::new();
            for cell in self.security_ring()? {
                index.entry(self.key_security(cell)?.descriptor.into()).or_insert(cell);
            }
            self.securities = Some(index);
        }
        if let Some(cell) = self.securities.as_ref().and_then(|index| index.get(descriptor)) {
            return Ok(*cell);
        }
        let neighbour = Some(self.root().node().security).and_then(CellIndex::some);
        let next =
            neighbour.map(|cell| self.key_security(cell).map(|security| security.flink)).transpose()?;
        let cell = self.bins.allocate(key_security::HEAD.saturating_add(descriptor.len()))?;
        let (blink, flink) = (neighbour.unwrap_or(cell), next.unwrap_or(cell));
        let len = u32::try_from(descriptor.len()).unwrap_or(u32::MAX);
        self.put_fields(cell, &[(FLINK, flink.0), (BLINK, blink.0), (key_security::DESCRIPTOR_LEN, len)])?;
        let content = self.bins.cell_mut(cell)?;
        put(content, 0, b"sk")
            .and_then(|()| put(content, key_security::HEAD, descriptor))
            .ok_or(cell.damaged("it is too small for its security descriptor"))?;
        self.put_fields(blink, &[(FLINK, cell.0)])?;
        self.put_fields(flink, &[(BLINK, cell.0)])?;
        self.securities.get_or_insert_default().insert(descriptor.into(), cell);
        Ok(cell)
    }

    pub(super) fn add_security_reference(&mut self, index: CellIndex) -> Result<(), HiveError> {
        let Some(index) = index.some() else { return Ok(()) };
        let count = self.field(index, REFERENCE_COUNT)?;
        self.put_fields(index, &[(REFERENCE_COUNT, count.saturating_add(1))])
    }

    /// Counts one user less, and removes the cell with the last.
    pub(super) fn drop_security_reference(&mut self, index: CellIndex) -> Result<(), HiveError> {
        let Some(index) = index.some() else { return Ok(()) };
        match self.field(index, REFERENCE_COUNT)? {
            0 | 1 => self.unlink_security(index),
            count => self.put_fields(index, &[(REFERENCE_COUNT, count.saturating_sub(1))]),
        }
    }

    fn unlink_security(&mut self, index: CellIndex) -> Result<(), HiveError> {
        let KeySecurity { flink, blink, descriptor, .. } = self.key_security(index)?;
        let descriptor: Box<[u8]> = descriptor.into();
        self.key_security(flink)?;
        self.key_security(blink)?;
        self.put_fields(blink, &[(FLINK, flink.0)])?;
        self.put_fields(flink, &[(BLINK, blink.0)])?;
        self.bins.free(index);
        if let Some(known) = &mut self.securities
            && known.get(&descriptor) == Some(&index)
        {
            known.remove(&descriptor);
        }
        Ok(())
    }

    /// The cells of the ring, beginning with the root's.
    fn security_ring(&self) -> Result<Vec<CellIndex>, HiveError> {
        let mut ring = Vec::new();
        let first = self.root().node().security;
        let mut next = first.some();
        // No ring has more cells than there is room for.
        let budget = self.bins.image().len() / key_security::HEAD;
        while let Some(index) = next {
            if ring.len() > budget {
                return Err(first.damaged("the ring of security descriptors does not return to it"));
            }
            ring.push(index);
            next = Some(self.key_security(index)?.flink).filter(|flink| *flink != first);
        }
        Ok(ring)
    }

    pub(super) fn key_security(&self, index: CellIndex) -> Result<KeySecurity<'_>, HiveError> {
        KeySecurity::parse(self.bins.cell(index)?).ok_or(index.damaged("it is not key security"))
    }
}
