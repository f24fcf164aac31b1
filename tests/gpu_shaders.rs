//! The GPU's shaders parse, validate, and come out in every backend's language, without an adapter.
#![cfg(feature = "internal-gpu-tests")]

use naga::back::{hlsl, msl, spv};
use naga::valid::{Capabilities, ValidationFlags, Validator};

/// Every shader, validated; a message that shows the place otherwise.
fn modules() -> Vec<(&'static str, naga::Module, naga::valid::ModuleInfo)> {
    prefstrength::gpu::shader_sources()
        .into_iter()
        .map(|(name, text)| {
            let module = naga::front::wgsl::parse_str(&text)
                .unwrap_or_else(|error| panic!("{name}: {}", error.emit_to_string(&text)));
            let info = Validator::new(ValidationFlags::all(), Capabilities::empty())
                .validate(&module)
                .unwrap_or_else(|error| panic!("{name}: {}", error.emit_to_string(&text)));
            (name, module, info)
        })
        .collect()
}

#[test]
fn spirv() {
    for (name, module, info) in modules() {
        let words = spv::write_vec(&module, &info, &spv::Options::default(), None);
        assert!(!words.unwrap_or_else(|error| panic!("{name}: {error}")).is_empty());
    }
}

#[test]
fn metal() {
    for (name, module, info) in modules() {
        let options =
            msl::Options { fake_missing_bindings: true, lang_version: (2, 4), ..Default::default() };
        let text = msl::write_string(&module, &info, &options, &msl::PipelineOptions::default());
        let (text, _) = text.unwrap_or_else(|error| panic!("{name}: {error}"));
        assert!(text.contains("kernel void"), "{name}");
    }
}

#[test]
fn direct_x() {
    for (name, module, info) in modules() {
        let options = hlsl::Options { fake_missing_bindings: true, ..Default::default() };
        let pipeline = hlsl::PipelineOptions::default();
        let mut text = String::new();
        hlsl::Writer::new(&mut text, &options, &pipeline)
            .write(&module, &info, None)
            .unwrap_or_else(|error| panic!("{name}: {error}"));
        assert!(text.contains("numthreads(64, 1, 1)"), "{name}");
    }
}

/// One workgroup size and one entry point, as the host expects.
#[test]
fn entry_points() {
    for (name, module, _) in modules() {
        let [entry] = &module.entry_points[..] else { panic!("{name}: entry points") };
        assert_eq!((entry.name.as_str(), entry.workgroup_size), ("main", [64, 1, 1]), "{name}");
    }
}

/// The uniform is as long as the host's struct, and there are no more storage buffers than every device has.
#[test]
fn bindings() {
    for (name, module, _) in modules() {
        let mut storage = 0;
        for (_, variable) in module.global_variables.iter() {
            match variable.space {
                naga::AddressSpace::Uniform => {
                    let span = module.types[variable.ty].inner.size(module.to_ctx());
                    assert_eq!(span, if name == "sum" { 32 } else { 80 }, "{name}");
                }
                naga::AddressSpace::Storage { .. } => storage += 1,
                _ => {}
            }
        }
        assert!(storage <= 8, "{name}: {storage} storage buffers");
    }
}
