//! Tells macOS's linker that Python's symbols are there once the extension is loaded.

fn main() {
    pyo3_build_config::add_extension_module_link_args();
}
