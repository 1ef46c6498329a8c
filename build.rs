fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    let lib = std::env::var("DEP_TCH_LIBTORCH_LIB").expect("x");
    println!("cargo:rustc-link-arg=-Wl,-rpath,{lib}");
}
