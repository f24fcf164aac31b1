//! Files that appear whole or not at all.

use std::fs;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use tempfile::NamedTempFile;

/// What is written beside the file's place, and moved there at the end.
pub(crate) struct Pending {
    file: BufWriter<NamedTempFile>,
    to: PathBuf,
}

impl Pending {
    pub(crate) fn new(to: &Path) -> io::Result<Self> {
        let folder = match to.parent() {
            Some(folder) if folder != Path::new("") => folder,
            _ => Path::new("."),
        };
        let mut builder = tempfile::Builder::new();
        builder.prefix(".prefstrength-");
        // What any new file gets, less the process's umask.
        #[cfg(unix)]
        builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666));
        Ok(Self { file: BufWriter::new(builder.tempfile_in(folder)?), to: to.to_owned() })
    }

    pub(crate) fn finish(self) -> io::Result<()> {
        let Self { file, to } = self;
        let file = file.into_inner().map_err(|e| e.into_error())?;
        file.persist(to).map(|_| ()).map_err(|e| e.error)
    }
}

impl Write for Pending {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.file.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

/// Standard output, or a file that appears at the end. A pipe or a device is written as it comes.
pub(crate) fn write_to(
    path: Option<&Path>,
    write: impl FnOnce(&mut dyn Write) -> Result<(), String>,
) -> Result<(), String> {
    let Some(path) = path else {
        let mut out = BufWriter::new(io::stdout().lock());
        let written = write(&mut out);
        out.flush().map_err(|e| format!("output: {e}"))?;
        return written;
    };
    let failed = |e: io::Error| format!("{}: {e}", path.display());
    if fs::metadata(path).is_ok_and(|m| !m.is_file() && !m.is_dir()) {
        let mut out = BufWriter::new(fs::OpenOptions::new().write(true).open(path).map_err(failed)?);
        write(&mut out)?;
        return out.flush().map_err(failed);
    }
    let mut file = Pending::new(path).map_err(failed)?;
    write(&mut file)?;
    file.finish().map_err(failed)
}

/// Texts as files of a folder, which is made if it is not there: all of them, or none if one cannot be written.
pub(crate) fn write_folder(folder: &Path, files: &[(String, String)]) -> Result<(), String> {
    let failed = |e: io::Error| format!("{}: {e}", folder.display());
    fs::create_dir_all(folder).map_err(failed)?;
    let mut pending = Vec::new();
    for (name, text) in files {
        let mut file = Pending::new(&folder.join(name)).map_err(failed)?;
        file.write_all(text.as_bytes()).and_then(|()| file.flush()).map_err(failed)?;
        pending.push(file);
    }
    pending.into_iter().try_for_each(Pending::finish).map_err(failed)
}
