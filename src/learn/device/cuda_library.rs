//! The one place with unsafe code: it loads libtorch's CUDA library, asks the CUDA runtime (cudart)
//! what there is, and sets what libtorch has no other access to.
//!
//! Linux linkers drop `libtorch_cuda.so` from a program that calls nothing in it by name, and
//! libtorch then says "no CUDA" without a word. Loading it at run time, when CUDA is asked for,
//! mends that, and a run on the CPU does not pay for it. cudart is there in any case on Linux:
//! `libtorch_cpu.so` needs it, even in a set without CUDA.
//!
//! Every signature below is that of CUDA 12 and 13, or of libtorch 2.13.
#![expect(
    unsafe_code,
    reason = "foreign functions, and libraries that run code when they are loaded"
)]

use std::ffi::{CStr, c_char, c_int, c_void};
use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};

use libloading::os::unix::Library;

/// `cudaDeviceProp` begins with the name (256 bytes); an id (16), a LUID (8) and its mask (4, and
/// 4 of padding) stand before the memory size.
const MEMORY_OFFSET: usize = 288;
/// More than the 1 KB that the structure has in any version of CUDA.
const PROPERTIES_BYTES: usize = 4096;
/// `cudaDevAttrComputeCapabilityMajor` and `Minor`.
const CAPABILITY: [c_int; 2] = [75, 76];

type Get = unsafe extern "C" fn(*mut c_int) -> c_int;
type GetProperties = unsafe extern "C" fn(*mut u64, c_int) -> c_int;
type GetAttribute = unsafe extern "C" fn(*mut c_int, c_int, c_int) -> c_int;
type GetErrorString = unsafe extern "C" fn(c_int) -> *const c_char;
type GlobalContext = unsafe extern "C" fn() -> *mut c_void;
type SetFlag = unsafe extern "C" fn(*mut c_void, bool);
type GetVersion = unsafe extern "C" fn() -> usize;
type SetTerminate = unsafe extern "C" fn(extern "C" fn()) -> *const c_void;

/// A status of cudart that is no success, with NVIDIA's words for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Failure {
    pub code: i32,
    pub text: String,
}

/// What cudart says about one GPU.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Gpu {
    pub name: String,
    pub memory_mib: u64,
    /// Such as 9.0.
    pub capability: String,
}

impl fmt::Display for Gpu {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (name, memory) = (&self.name, self.memory_mib);
        write!(
            f,
            "{name}, {memory} MiB, compute capability {}",
            self.capability
        )
    }
}

/// The functions of cudart, which is part of the process.
pub(super) struct Cudart {
    device_count: Get,
    driver_version: Get,
    properties: GetProperties,
    attribute: GetAttribute,
    error_string: GetErrorString,
}

impl Cudart {
    /// `None` where libtorch was built without CUDA.
    pub(super) fn find() -> Option<Self> {
        let process = Library::this();
        // SAFETY: these are the functions' types in NVIDIA's cuda_runtime_api.h.
        unsafe {
            Some(Self {
                device_count: function(&process, "cudaGetDeviceCount")?,
                driver_version: function(&process, "cudaDriverGetVersion")?,
                properties: function(&process, "cudaGetDeviceProperties")?,
                attribute: function(&process, "cudaDeviceGetAttribute")?,
                error_string: function(&process, "cudaGetErrorString")?,
            })
        }
    }

    /// Number of GPUs. It makes no context on them.
    pub(super) fn device_count(&self) -> Result<usize, Failure> {
        self.get(self.device_count)
            .map(|count| count.unsigned_abs() as usize)
    }

    /// The newest CUDA that the driver runs, as 1000 x major + 10 x minor; `None` without a driver.
    pub(super) fn driver_version(&self) -> Option<i32> {
        self.get(self.driver_version)
            .ok()
            .filter(|&version| version > 0)
    }

    /// Name, memory and compute capability of GPU `index`.
    pub(super) fn gpu(&self, index: usize) -> Result<Gpu, Failure> {
        let device = c_int::try_from(index).unwrap_or(c_int::MAX);
        let mut words = [0_u64; PROPERTIES_BYTES / 8];
        // SAFETY: the buffer is larger than the structure and as strictly aligned.
        self.check(unsafe { (self.properties)(words.as_mut_ptr(), device) })?;
        let mut capability = [0; 2];
        for (value, attribute) in capability.iter_mut().zip(CAPABILITY) {
            // SAFETY: the function writes one number.
            self.check(unsafe { (self.attribute)(value, attribute, device) })?;
        }
        let bytes: Vec<u8> = words.iter().flat_map(|word| word.to_ne_bytes()).collect();
        let name = bytes[..256].split(|&byte| byte == 0).next();
        Ok(Gpu {
            name: String::from_utf8_lossy(name.unwrap_or_default()).into_owned(),
            memory_mib: words[MEMORY_OFFSET / 8] >> 20,
            capability: format!("{}.{}", capability[0], capability[1]),
        })
    }

    fn get(&self, function: Get) -> Result<i32, Failure> {
        let mut value = 0;
        // SAFETY: the function writes one number.
        self.check(unsafe { function(&raw mut value) })?;
        Ok(value)
    }

    fn check(&self, code: c_int) -> Result<(), Failure> {
        if code == 0 {
            return Ok(());
        }
        // SAFETY: the answer is a constant of cudart's for every code.
        let text = unsafe { CStr::from_ptr((self.error_string)(code)) };
        let text = text.to_string_lossy().into_owned();
        Err(Failure { code, text })
    }
}

/// Loads libtorch's CUDA library into the program, for good. cuDNN's parts are loaded first, by
/// their full paths: cuDNN itself would look for them in `LD_LIBRARY_PATH` and in the system before
/// it looks beside itself, and parts of two versions do not work together.
pub(super) fn load(libtorch_cuda: &Path) -> Result<(), libloading::Error> {
    silence_warnings();
    for part in cudnn_parts(libtorch_cuda) {
        open(&part)?;
    }
    open(libtorch_cuda)
}

/// Has C++ call `handler`, which must not return, where it would end the process with a backtrace.
/// libtorch throws in destructors when a GPU fails, and nobody can catch that.
pub(crate) fn on_terminate(handler: extern "C" fn()) {
    let process = Library::this();
    // SAFETY: the type is that of std::set_terminate; what it returns is the handler before.
    unsafe {
        if let Some(set) = function::<SetTerminate>(&process, "_ZSt13set_terminatePFvvE") {
            set(handler);
        }
    }
}

/// Keeps libtorch from printing warnings, which it does beside the errors that are reported anyway.
fn silence_warnings() {
    const ERRORS_ONLY: c_int = 2;
    let process = Library::this();
    // SAFETY: the symbol is libtorch's int for its least log level; no other thread is at work yet
    // that could log.
    unsafe {
        if let Some(level) = function::<*mut c_int>(&process, "FLAGS_caffe2_log_level") {
            *level = ERRORS_ONLY;
        }
    }
}

fn open(path: &Path) -> Result<(), libloading::Error> {
    // SAFETY: the files are libtorch's own and cuDNN's, of the installation whose libtorch_cpu.so
    // is loaded already; their initializers register CUDA with that and do nothing else.
    let library = unsafe { Library::new(path) }?;
    std::mem::forget(library);
    Ok(())
}

/// The parts of the cuDNN in the set that a Python wheel's `libtorch_cuda.so` belongs to, each
/// behind those that it needs.
fn cudnn_parts(libtorch_cuda: &Path) -> Vec<PathBuf> {
    let packages = libtorch_cuda.ancestors().nth(3);
    let folder = packages.map(|packages| packages.join("nvidia/cudnn/lib"));
    let entries = folder.and_then(|folder| fs::read_dir(folder).ok());
    let paths = entries.into_iter().flatten().flatten();
    let part = |path: &Path| {
        let name = path.file_name()?.to_str()?.strip_prefix("libcudnn_")?;
        name.split_once(".so.").map(|(part, _)| part.to_owned())
    };
    let mut parts: Vec<PathBuf> = paths
        .map(|entry| entry.path())
        .filter(|path| part(path).is_some())
        .collect();
    // All need the graph, and some the operations.
    parts.sort_by_key(|path| {
        let name = part(path).unwrap_or_default();
        (name != "graph", name != "ops", name)
    });
    parts
}

/// Makes cuDNN give the same bytes for the same seed, in full f32 as on the CPU: kernels that add
/// up in any order are left out, and TF32, which rounds what goes into a convolution to 10 bits.
/// `false` where this libtorch has no such switches.
pub(super) fn make_deterministic() -> bool {
    let process = Library::this();
    // SAFETY: the types are those of libtorch 2.13: a reference to the one Context, and methods of
    // it that take a bool.
    unsafe {
        let switches: Option<(GlobalContext, SetFlag, SetFlag)> = (|| {
            Some((
                function(&process, "_ZN2at13globalContextEv")?,
                function(&process, "_ZN2at7Context21setDeterministicCuDNNEb")?,
                function(&process, "_ZN2at7Context17setAllowTF32CuDNNEb")?,
            ))
        })();
        switches.is_some_and(|(context, set_deterministic, set_allow_tf32)| {
            set_deterministic(context(), true);
            set_allow_tf32(context(), false);
            true
        })
    }
}

/// The version of the cuDNN that `libtorch_cuda`, which is loaded, uses: such as 92000 for 9.20.0.
pub(super) fn cudnn_version(libtorch_cuda: &Path) -> Option<usize> {
    // SAFETY: the library is loaded already, and the type is that in NVIDIA's cudnn_graph.h.
    unsafe {
        let library = Library::new(libtorch_cuda).ok()?;
        let version: GetVersion = function(&library, "cudnnGetVersion")?;
        Some(version())
    }
}

/// The function or the variable of this name that `library` sees.
///
/// # Safety
/// `F` has to be its type, that of a pointer.
unsafe fn function<F: Copy>(library: &Library, name: &str) -> Option<F> {
    // SAFETY: see above. No library of these is ever unloaded.
    unsafe { library.get::<F>(name.as_bytes()).ok().map(|it| *it) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_runtime_knows_words_for_its_codes() {
        tch::utils::has_openmp();
        let Some(cudart) = Cudart::find() else { return };
        let words = |code| cudart.check(code).unwrap_err().text;
        assert_eq!(words(2), "out of memory");
        assert_eq!(words(802), "system not yet initialized");
        assert!(cudart.check(0).is_ok());
    }

    #[test]
    fn parts_of_cudnn_come_behind_those_that_they_need() {
        let set = tempfile::tempdir().unwrap();
        let folder = set.path().join("nvidia/cudnn/lib");
        fs::create_dir_all(&folder).unwrap();
        for part in ["_adv", "_cnn", "_graph", "_heuristic", "_ops", ""] {
            fs::write(folder.join(format!("libcudnn{part}.so.9")), "").unwrap();
        }
        let parts = cudnn_parts(&set.path().join("torch/lib/libtorch_cuda.so"));
        let names = ["graph", "ops", "adv", "cnn", "heuristic"];
        assert_eq!(
            parts,
            names.map(|part| folder.join(format!("libcudnn_{part}.so.9")))
        );
    }

    #[test]
    fn libtorch_has_the_switches_for_the_same_bytes() {
        tch::utils::has_openmp();
        assert!(make_deterministic());
    }
}
