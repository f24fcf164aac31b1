//! Files that appear whole or not at all.

use std::fs::{self, File};
use std::io::{self, BufWriter, Seek, Write};
use std::path::{Path, PathBuf};

/// What is written without a name, on the disk where it belongs, and gets its name at the end. Whoever stops the
/// process before leaves nothing behind.
pub(crate) struct AtomicFile {
    file: BufWriter<File>,
    folder: PathBuf,
    to: PathBuf,
}

impl AtomicFile {
    pub(crate) fn new(to: &Path) -> io::Result<Self> {
        // A link stays one, and what it leads to is replaced.
        let to = fs::canonicalize(to).unwrap_or_else(|_| to.to_owned());
        if to.is_dir() {
            return Err(io::Error::new(io::ErrorKind::IsADirectory, format!("{} is a folder", to.display())));
        }
        let folder = match to.parent() {
            Some(folder) if folder != Path::new("") => folder.to_owned(),
            _ => PathBuf::from("."),
        };
        Ok(Self { file: BufWriter::new(tempfile::tempfile_in(&folder)?), folder, to })
    }

    /// A complete copy under a name of its own.
    fn copy(self) -> io::Result<(tempfile::NamedTempFile, PathBuf)> {
        let mut from = self.file.into_inner().map_err(|e| e.into_error())?;
        from.rewind()?;
        let mut builder = tempfile::Builder::new();
        builder.prefix(".prefstrength-");
        // What any new file gets, less the process's umask.
        #[cfg(unix)]
        builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666));
        let mut copy = builder.tempfile_in(self.folder)?;
        io::copy(&mut from, copy.as_file_mut())?;
        if let Ok(old) = fs::metadata(&self.to) {
            copy.as_file().set_permissions(old.permissions())?;
        }
        Ok((copy, self.to))
    }

    pub(crate) fn finish(self) -> io::Result<()> {
        let (copy, to) = self.copy()?;
        copy.persist(to).map(|_| ()).map_err(|e| e.error)
    }
}

impl Write for AtomicFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.file.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

/// Output that knows whether whoever reads it has left.
struct PipeWriter<W> {
    out: W,
    left: bool,
}

impl<W: Write> Write for PipeWriter<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let done = self.out.write(bytes);
        self.left |= done.as_ref().is_err_and(|e| e.kind() == io::ErrorKind::BrokenPipe);
        done
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush().inspect_err(|e| self.left |= e.kind() == io::ErrorKind::BrokenPipe)
    }
}

/// Standard output, or a file that appears at the end. A pipe or a device is written as it comes.
pub(crate) fn write_to(
    path: Option<&Path>,
    write: impl FnOnce(&mut dyn Write) -> Result<(), String>,
) -> Result<(), String> {
    let Some(path) = path else {
        let mut out = BufWriter::new(PipeWriter { out: io::stdout().lock(), left: false });
        let written = write(&mut out);
        let flushed = out.flush().map_err(|e| format!("output: {e}"));
        // Who reads had enough: whatever failed failed for that.
        return if out.get_ref().left { Ok(()) } else { written.and(flushed) };
    };
    let failed = |e: io::Error| format!("{}: {e}", path.display());
    if fs::metadata(path).is_ok_and(|m| !m.is_file() && !m.is_dir()) {
        let mut out = BufWriter::new(fs::OpenOptions::new().write(true).open(path).map_err(failed)?);
        write(&mut out)?;
        return out.flush().map_err(failed);
    }
    let mut file = AtomicFile::new(path).map_err(failed)?;
    write(&mut file)?;
    file.finish().map_err(failed)
}

/// Texts as files of a folder, which is made if it is not there. They get their names when all of them are on the disk.
pub(crate) fn write_folder(folder: &Path, files: &[(String, String)]) -> Result<(), String> {
    let failed = |e: io::Error| format!("{}: {e}", folder.display());
    fs::create_dir_all(folder).map_err(failed)?;
    let mut pending = Vec::new();
    for (name, text) in files {
        let mut file = AtomicFile::new(&folder.join(name)).map_err(failed)?;
        file.write_all(text.as_bytes()).map_err(failed)?;
        pending.push(file.copy().map_err(failed)?);
    }
    for (copy, to) in pending {
        copy.persist(to).map_err(|e| failed(e.error))?;
    }
    Ok(())
}
