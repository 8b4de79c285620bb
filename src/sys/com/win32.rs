//! COM on Windows. `ole32.dll` and `oleaut32.dll` are loaded when an object is first wanted, so that the program starts
//! where they are missing; nothing of them is in the import table.
//!
//! An object lives in the apartment of the thread that made it, and cannot leave that thread.

use std::{ffi::c_void, mem, ptr, ptr::NonNull};

use windows_sys::{
    Win32::System::{
        Com::{
            CLSCTX_INPROC_SERVER, CLSCTX_LOCAL_SERVER, COINIT_APARTMENTTHREADED, DISPATCH_METHOD,
            DISPATCH_PROPERTYGET, DISPATCH_PROPERTYPUT, DISPPARAMS,
        },
        Ole::DISPID_PROPERTYPUT,
        Variant::{VARIANT, VT_BSTR, VT_EMPTY, VT_I4, VT_NULL},
    },
    core::{BSTR, GUID, HRESULT},
};

use super::Value;
use crate::sys::{
    library::{self, Function},
    wide::wide,
};

static IID_NULL: GUID = GUID::from_u128(0);
static IID_IDISPATCH: GUID = GUID::from_u128(0x00020400_0000_0000_c000_000000000046);
/// `LOCALE_USER_DEFAULT`.
const LOCALE: u32 = 0x0400;

/// The functions of `IDispatch`, in their order.
#[repr(C)]
struct Vtable {
    query_interface: usize,
    add_ref: usize,
    release: unsafe extern "system" fn(*mut Dispatch) -> u32,
    get_type_info_count: usize,
    get_type_info: usize,
    get_ids_of_names: unsafe extern "system" fn(
        *mut Dispatch,
        *const GUID,
        *const *const u16,
        u32,
        u32,
        *mut i32,
    ) -> HRESULT,
    invoke: unsafe extern "system" fn(
        *mut Dispatch,
        i32,
        *const GUID,
        u32,
        u16,
        *const DISPPARAMS,
        *mut VARIANT,
        *mut c_void,
        *mut u32,
    ) -> HRESULT,
}

#[repr(C)]
struct Dispatch {
    vtable: *const Vtable,
}

type Initialize = unsafe extern "system" fn(*const c_void, u32) -> HRESULT;
type Uninitialize = unsafe extern "system" fn();
type ClassOf = unsafe extern "system" fn(*const u16, *mut GUID) -> HRESULT;
type Create =
    unsafe extern "system" fn(*const GUID, *mut c_void, u32, *const GUID, *mut *mut c_void) -> HRESULT;
type NewString = unsafe extern "system" fn(*const u16, u32) -> BSTR;
type StringLen = unsafe extern "system" fn(BSTR) -> u32;
type Clear = unsafe extern "system" fn(*mut VARIANT) -> HRESULT;
type ChangeType = unsafe extern "system" fn(*mut VARIANT, *const VARIANT, u16, u16) -> HRESULT;

/// What is used of the two libraries.
#[derive(Clone, Copy)]
struct Functions {
    initialize: Initialize,
    uninitialize: Uninitialize,
    class_of: ClassOf,
    create: Create,
    new_string: NewString,
    string_len: StringLen,
    clear: Clear,
    change_type: ChangeType,
}

#[allow(unsafe_code)]
impl Functions {
    fn load() -> Option<Self> {
        let of = |library, name| library::function(library, name).ok();
        let (ole32, oleaut32) = ("ole32.dll", "oleaut32.dll");
        // SAFETY: in every Windows the functions of these names have the signatures of the fields.
        unsafe {
            Some(Self {
                initialize: mem::transmute::<Function, Initialize>(of(ole32, c"CoInitializeEx")?),
                uninitialize: mem::transmute::<Function, Uninitialize>(of(ole32, c"CoUninitialize")?),
                class_of: mem::transmute::<Function, ClassOf>(of(ole32, c"CLSIDFromProgID")?),
                create: mem::transmute::<Function, Create>(of(ole32, c"CoCreateInstance")?),
                new_string: mem::transmute::<Function, NewString>(of(oleaut32, c"SysAllocStringLen")?),
                string_len: mem::transmute::<Function, StringLen>(of(oleaut32, c"SysStringLen")?),
                clear: mem::transmute::<Function, Clear>(of(oleaut32, c"VariantClear")?),
                change_type: mem::transmute::<Function, ChangeType>(of(oleaut32, c"VariantChangeType")?),
            })
        }
    }
}

/// This thread's right to use COM; given back when dropped.
struct Apartment {
    functions: Functions,
    is_ours: bool,
}

#[allow(unsafe_code)]
impl Apartment {
    fn enter() -> Option<Self> {
        let functions = Functions::load()?;
        // SAFETY: the function takes a null pointer and a flag.
        let result = unsafe { (functions.initialize)(ptr::null(), COINIT_APARTMENTTHREADED.cast_unsigned()) };
        // A failure means that the thread is in another kind of apartment already, which will do.
        Some(Self { functions, is_ours: result >= 0 })
    }
}

#[allow(unsafe_code)]
impl Drop for Apartment {
    fn drop(&mut self) {
        if self.is_ours {
            // SAFETY: pairs with the call that succeeded, on the same thread: the type is not `Send`.
            unsafe { (self.functions.uninitialize)() };
        }
    }
}

/// A value that COM allocates for and that is freed when dropped.
struct Variant {
    functions: Functions,
    raw: VARIANT,
}

#[allow(unsafe_code)]
impl Variant {
    fn new(functions: Functions, value: Option<Value<'_>>) -> Self {
        let mut raw = VARIANT::default();
        match value {
            None => {}
            Some(Value::Number(number)) => {
                raw.Anonymous.Anonymous.vt = VT_I4;
                raw.Anonymous.Anonymous.Anonymous.lVal = number;
            }
            Some(Value::Text(text)) => {
                let units: Vec<u16> = text.encode_utf16().collect();
                let len = u32::try_from(units.len()).unwrap_or(0);
                // SAFETY: `units` has `len` readable units.
                let string = unsafe { (functions.new_string)(units.as_ptr(), len) };
                raw.Anonymous.Anonymous.vt = VT_BSTR;
                raw.Anonymous.Anonymous.Anonymous.bstrVal = string;
            }
        }
        Self { functions, raw }
    }

    fn kind(&self) -> u16 {
        // SAFETY: the type is the first member in every form of the value.
        unsafe { self.raw.Anonymous.Anonymous.vt }
    }

    /// The value as text, whatever it is.
    fn text(&mut self) -> Option<String> {
        if matches!(self.kind(), VT_EMPTY | VT_NULL) {
            return Some(String::new());
        }
        if self.kind() != VT_BSTR {
            let raw: *mut VARIANT = &raw mut self.raw;
            // SAFETY: source and destination may be the same value, by the function's contract.
            let result = unsafe { (self.functions.change_type)(raw, raw, 0, VT_BSTR) };
            if result < 0 || self.kind() != VT_BSTR {
                return None;
            }
        }
        // SAFETY: the type says that this member was written.
        let string = unsafe { self.raw.Anonymous.Anonymous.Anonymous.bstrVal };
        if string.is_null() {
            return Some(String::new());
        }
        // SAFETY: a string of COM that is not null knows its length, and has so many units.
        let units = unsafe {
            let len = (self.functions.string_len)(string);
            std::slice::from_raw_parts(string, usize::try_from(len).unwrap_or(0))
        };
        Some(String::from_utf16_lossy(units))
    }
}

#[allow(unsafe_code)]
impl Drop for Variant {
    fn drop(&mut self) {
        // SAFETY: the value is whole; what it owns was allocated by COM.
        unsafe { (self.functions.clear)(&raw mut self.raw) };
    }
}

/// An object.
pub struct Object {
    dispatch: NonNull<Dispatch>,
    /// After the object, because it must outlive it.
    apartment: Apartment,
}

#[allow(unsafe_code)]
impl Object {
    /// Makes or finds the object of a name such as `Microsoft.SMS.TSEnvironment`.
    pub fn create(prog_id: &str) -> Option<Self> {
        let apartment = Apartment::enter()?;
        let Functions { class_of, create, .. } = apartment.functions;
        let (name, mut class) = (wide(prog_id), GUID::from_u128(0));
        // SAFETY: the name ends with NUL, and `class` is writable.
        if unsafe { class_of(name.as_ptr(), &raw mut class) } < 0 {
            return None;
        }
        let mut object: *mut c_void = ptr::null_mut();
        let where_it_runs = CLSCTX_INPROC_SERVER | CLSCTX_LOCAL_SERVER;
        // SAFETY: both ids live until the call returns, and `object` is writable; the thread is in an apartment.
        let result = unsafe {
            create(
                &raw const class,
                ptr::null_mut(),
                where_it_runs,
                &raw const IID_IDISPATCH,
                &raw mut object,
            )
        };
        if result < 0 {
            return None;
        }
        Some(Self { dispatch: NonNull::new(object.cast())?, apartment })
    }

    /// A property with an index, as text.
    pub fn get(&self, property: &str, index: &str) -> Option<String> {
        self.invoke(property, DISPATCH_PROPERTYGET, &[Value::Text(index)])?.text()
    }

    /// Sets a property with an index; false when that was refused.
    pub fn put(&self, property: &str, index: &str, value: &str) -> bool {
        self.invoke(property, DISPATCH_PROPERTYPUT, &[Value::Text(index), Value::Text(value)]).is_some()
    }

    /// Calls a method; false when that failed.
    pub fn call(&self, method: &str, arguments: &[Value<'_>]) -> bool {
        self.invoke(method, DISPATCH_METHOD, arguments).is_some()
    }

    fn invoke(&self, name: &str, what: u16, arguments: &[Value<'_>]) -> Option<Variant> {
        let functions = self.apartment.functions;
        let this = self.dispatch.as_ptr();
        // SAFETY: the object lives as long as `self`, and begins with its table of functions.
        let vtable = unsafe { &*(*this).vtable };
        let name = wide(name);
        let names = [name.as_ptr()];
        let mut id = 0;
        // SAFETY: one name that ends with NUL, and one number to write.
        let result = unsafe {
            (vtable.get_ids_of_names)(this, &raw const IID_NULL, names.as_ptr(), 1, LOCALE, &raw mut id)
        };
        if result < 0 {
            return None;
        }
        // The last argument comes first, and what a property becomes has a name of its own.
        let values: Vec<Variant> =
            arguments.iter().rev().map(|value| Variant::new(functions, Some(*value))).collect();
        let mut raw: Vec<VARIANT> = values.iter().map(|value| value.raw).collect();
        let mut new_value = DISPID_PROPERTYPUT;
        let is_put = what == DISPATCH_PROPERTYPUT;
        let parameters = DISPPARAMS {
            rgvarg: raw.as_mut_ptr(),
            rgdispidNamedArgs: if is_put { &raw mut new_value } else { ptr::null_mut() },
            cArgs: u32::try_from(raw.len()).ok()?,
            cNamedArgs: u32::from(is_put),
        };
        let mut answer = Variant::new(functions, None);
        let (no_details, mut wrong_argument) = (ptr::null_mut(), 0);
        // SAFETY: the arguments live until the call returns and stay ours; the answer is an empty value of ours.
        let result = unsafe {
            (vtable.invoke)(
                this,
                id,
                &raw const IID_NULL,
                LOCALE,
                what,
                &raw const parameters,
                &raw mut answer.raw,
                no_details,
                &raw mut wrong_argument,
            )
        };
        (result >= 0).then_some(answer)
    }
}

#[allow(unsafe_code)]
impl Drop for Object {
    fn drop(&mut self) {
        let this = self.dispatch.as_ptr();
        // SAFETY: gives back the one reference that this value holds; it is not used after that.
        unsafe { ((*(*this).vtable).release)(this) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_registered_is_absent() {
        assert!(Object::create("Coldstate.No.Such.Object").is_none());
    }

    #[test]
    fn an_object_of_windows_keeps_a_property_with_an_index() {
        let dictionary = Object::create("Scripting.Dictionary").unwrap();
        assert!(dictionary.put("Item", "name", "Grüße \u{1F600}"));
        assert_eq!(dictionary.get("Item", "name").unwrap(), "Grüße \u{1F600}");
        assert!(dictionary.call("Add", &[Value::Text("number"), Value::Number(-7)]));
        assert_eq!(dictionary.get("Item", "number").unwrap(), "-7");
        assert!(!dictionary.call("Add", &[Value::Text("number"), Value::Number(8)]), "it is there already");
        assert!(dictionary.get("NoSuchProperty", "x").is_none());
    }
}
