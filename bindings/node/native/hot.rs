//! The calls that every webhook makes, written against Node-API itself.
//!
//! ```text
//!   verify (handle, body: Uint8Array, line: string, now: number, target?: string) -> number | string | undefined
//!   receive(handle, body: Uint8Array, line: string, now: number, target?: string) -> string | undefined
//! ```
//!
//! `verify` looks at the signature, `receive` at the profile's envelope as well; `outcome.rs` has what they
//! answer.
//!
//! What the macros generate keeps track of borrowed arguments on the heap and asks for the length of each string
//! before it copies it: half of the time that verifying a small webhook takes. Here the arguments are read into
//! the stack, once. `undefined` says that this way is closed, because the headers are too long for the stack or do
//! not count up; JavaScript then takes [`Binding::verify_listed`](crate::Binding::verify_listed), which is
//! slower and asks the same core.

use std::ffi::{CStr, c_char};
use std::panic::catch_unwind;
use std::ptr;

use hookwright_core::Request;
use napi::bindgen_prelude::{Either, JsValue as _, Object};
use napi::{Env, Error, Result, Status, sys};
use napi_derive::napi;

use crate::endpoint::{self, Endpoint};
use crate::seconds;
use crate::slots::Target;

/// Room for the headers of three schemes, each with several signatures.
const LINE_BYTES: usize = 1024;

/// Room for a method and a URL.
const TARGET_BYTES: usize = 512;

/// Adds `verify` and `receive` to what the addon exports.
#[napi(module_exports)]
pub fn export_calls(exports: Object, env: Env) -> Result<()> {
    export(&exports, env, c"verify", verify)?;
    export(&exports, env, c"receive", receive)
}

fn export(exports: &Object, env: Env, name: &CStr, callback: Callback) -> Result<()> {
    let mut function = ptr::null_mut();
    let length = name.count_bytes().cast_signed();
    // SAFETY: the name has the length given, the callback has the type that Node-API asks for, and `function` outlives
    // the call.
    let status = unsafe {
        sys::napi_create_function(
            env.raw(),
            name.as_ptr(),
            length,
            Some(callback),
            ptr::null_mut(),
            &raw mut function,
        )
    };
    check(status)?;
    // SAFETY: both values belong to this environment and to the scope of this call.
    check(unsafe { sys::napi_set_named_property(env.raw(), exports.raw(), name.as_ptr(), function) })
}

type Callback = unsafe extern "C" fn(sys::napi_env, sys::napi_callback_info) -> sys::napi_value;

fn check(status: sys::napi_status) -> Result<()> {
    match Status::from(status) {
        Status::Ok => Ok(()),
        status => Err(Error::from_status(status)),
    }
}

unsafe extern "C" fn verify(env: sys::napi_env, info: sys::napi_callback_info) -> sys::napi_value {
    // SAFETY: Node calls this with a live environment and the info of this very call.
    unsafe { answered(env, info, Endpoint::verify) }
}

unsafe extern "C" fn receive(env: sys::napi_env, info: sys::napi_callback_info) -> sys::napi_value {
    // SAFETY: Node calls this with a live environment and the info of this very call.
    unsafe {
        answered(env, info, |endpoint, request, now| {
            Either::B(endpoint.receive(request, now))
        })
    }
}

/// # Safety
///
/// `env` and `info` are those of a callback that is running.
unsafe fn answered(env: sys::napi_env, info: sys::napi_callback_info, question: Question) -> sys::napi_value {
    // The core does not panic. Should it, a stranger's request must not end the process: `undefined` goes out.
    catch_unwind(|| {
        // SAFETY: as above.
        let call = unsafe { Call::read(env, info) }?;
        let answer = call.answer(question)?;
        // SAFETY: the environment is live.
        unsafe { written(env, &answer) }
    })
    .ok()
    .flatten()
    .unwrap_or_else(ptr::null_mut)
}

/// What is asked of an endpoint about a request, at a time in Unix seconds.
type Question = fn(&Endpoint, &Request<'_>, i64) -> Either<f64, String>;

/// The arguments of one call.
struct Call<'a> {
    handle: u32,
    body: &'a [u8],
    line: Text<LINE_BYTES>,
    now: f64,
    target: Option<Text<TARGET_BYTES>>,
}

impl Call<'_> {
    /// # Safety
    ///
    /// `env` and `info` are those of a callback that is running, and the result does not outlive it.
    unsafe fn read(env: sys::napi_env, info: sys::napi_callback_info) -> Option<Self> {
        let mut values = [ptr::null_mut(); 5];
        let mut count = values.len();
        // SAFETY: `values` has room for `count` arguments; Node-API fills those that are missing with `undefined`.
        let status = unsafe {
            sys::napi_get_cb_info(
                env,
                info,
                &raw mut count,
                values.as_mut_ptr(),
                ptr::null_mut(),
                ptr::null_mut(),
            )
        };
        ok(status)?;
        let [handle, body, line, now, target] = values;
        // SAFETY: the values are arguments of this call. None of these functions runs JavaScript, and neither does
        // anything before the call returns, so the body stays where it is.
        unsafe {
            Some(Self {
                handle: read_u32(env, handle)?,
                body: read_bytes(env, body)?,
                line: Text::read(env, line)?,
                now: read_f64(env, now)?,
                target: if count > 4 {
                    Some(Text::read(env, target)?)
                } else {
                    None
                },
            })
        }
    }

    fn answer(&self, question: Question) -> Option<Either<f64, String>> {
        let target = match &self.target {
            Some(text) => Target::parse(Some(text.as_str()?)),
            None => Target::parse(None),
        };
        let line = self.line.as_str()?;
        endpoint::with(self.handle, |endpoint| {
            let headers = endpoint.slots.read(line)?;
            let request = target.request(&headers, self.body);
            Some(question(endpoint, &request, seconds(self.now)))
        })?
    }
}

/// A string of JavaScript in UTF-8, on the stack.
struct Text<const ROOM: usize> {
    bytes: [u8; ROOM],
    length: usize,
}

impl<const ROOM: usize> Text<ROOM> {
    /// Reads a string, or answers `None` when it is something else or may have been cut off.
    ///
    /// # Safety
    ///
    /// `value` belongs to `env` and to a scope that is open.
    unsafe fn read(env: sys::napi_env, value: sys::napi_value) -> Option<Self> {
        let mut text = Self {
            bytes: [0; ROOM],
            length: 0,
        };
        // SAFETY: at most `ROOM` bytes are written, a final zero among them.
        let status = unsafe {
            sys::napi_get_value_string_utf8(
                env,
                value,
                text.bytes.as_mut_ptr().cast::<c_char>(),
                ROOM,
                &raw mut text.length,
            )
        };
        ok(status)?;
        // A character of up to four bytes that does not fit is left out whole.
        (text.length + 4 < ROOM).then_some(text)
    }

    fn as_str(&self) -> Option<&str> {
        str::from_utf8(self.bytes.get(..self.length)?).ok()
    }
}

/// # Safety
///
/// `value` belongs to `env` and to a scope that is open.
unsafe fn read_u32(env: sys::napi_env, value: sys::napi_value) -> Option<u32> {
    let mut number = 0;
    // SAFETY: `number` outlives the call.
    ok(unsafe { sys::napi_get_value_uint32(env, value, &raw mut number) })?;
    Some(number)
}

/// # Safety
///
/// `value` belongs to `env` and to a scope that is open.
unsafe fn read_f64(env: sys::napi_env, value: sys::napi_value) -> Option<f64> {
    let mut number = 0.0;
    // SAFETY: `number` outlives the call.
    ok(unsafe { sys::napi_get_value_double(env, value, &raw mut number) })?;
    Some(number)
}

/// The bytes of a `Uint8Array`. As everywhere in Node, memory that threads share must not be written meanwhile.
///
/// # Safety
///
/// `value` belongs to `env` and to a scope that is open, and no JavaScript runs while the bytes are used.
unsafe fn read_bytes<'a>(env: sys::napi_env, value: sys::napi_value) -> Option<&'a [u8]> {
    let mut kind = 0;
    let mut length = 0;
    let mut data = ptr::null_mut();
    // SAFETY: the outputs outlive the call; those that are not wanted may be null.
    let status = unsafe {
        sys::napi_get_typedarray_info(
            env,
            value,
            &raw mut kind,
            &raw mut length,
            &raw mut data,
            ptr::null_mut(),
            ptr::null_mut(),
        )
    };
    ok(status)?;
    if kind != sys::TypedarrayType::uint8_array {
        return None;
    }
    if length == 0 || data.is_null() {
        return Some(&[]);
    }
    // SAFETY: Node-API vouches for `length` bytes at `data` while the array lives, which is an argument of the call.
    Some(unsafe { std::slice::from_raw_parts(data.cast::<u8>(), length) })
}

/// # Safety
///
/// `env` is live.
unsafe fn written(env: sys::napi_env, answer: &Either<f64, String>) -> Option<sys::napi_value> {
    let mut value = ptr::null_mut();
    // SAFETY: `value` outlives the call, and the text has the length given.
    let status = unsafe {
        match answer {
            Either::A(number) => sys::napi_create_double(env, *number, &raw mut value),
            Either::B(text) => sys::napi_create_string_utf8(
                env,
                text.as_ptr().cast::<c_char>(),
                isize::try_from(text.len()).ok()?,
                &raw mut value,
            ),
        }
    };
    ok(status)?;
    Some(value)
}

const fn ok(status: sys::napi_status) -> Option<()> {
    if status == sys::Status::napi_ok {
        Some(())
    } else {
        None
    }
}
