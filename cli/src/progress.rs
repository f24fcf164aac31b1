//! A progress bar on standard error, for input that takes a while, if that is a terminal.

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use prefstrength_learn::{ChunkSink, GroupedSink, LearnError, Margins, PersonSink, Persons};

/// Bytes below which nothing is shown.
const LONG: u64 = 8 << 20;

pub(crate) struct Progress {
    bar: ProgressBar,
    shown: bool,
    quiet: bool,
}

impl Progress {
    pub(crate) fn new(quiet: bool) -> Self {
        Self { bar: ProgressBar::hidden(), shown: false, quiet }
    }

    /// So many bytes have been read, of so many if that is known.
    pub(crate) fn read(&mut self, read: u64, total: Option<u64>) {
        if self.quiet || total.unwrap_or(read) < LONG {
            return;
        }
        if !self.shown {
            self.bar.set_draw_target(ProgressDrawTarget::stderr());
            self.shown = true;
            let template = match total {
                Some(total) => {
                    self.bar.set_length(total);
                    "reading {wide_bar} {bytes}/{total_bytes} {eta}"
                }
                None => "reading {bytes}",
            };
            if let Ok(style) = ProgressStyle::with_template(template) {
                self.bar.set_style(style);
            }
        }
        self.bar.set_position(read);
    }

    /// What goes on after reading.
    pub(crate) fn phase(&mut self, what: &'static str) {
        if self.shown {
            if let Ok(style) = ProgressStyle::with_template("{msg}, pass {pos}") {
                self.bar.set_style(style);
            }
            self.bar.set_position(0);
            self.bar.set_message(what);
        }
    }

    /// Margins or persons whose passes are counted.
    pub(crate) fn watch<'a, M>(&'a self, source: &'a mut M) -> Watched<'a, M> {
        Watched { source, bar: &self.bar }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}

pub(crate) struct Watched<'a, M> {
    source: &'a mut M,
    bar: &'a ProgressBar,
}

impl<M: Margins> Margins for Watched<'_, M> {
    fn for_each(&mut self, take: &mut ChunkSink<'_>) -> Result<(), LearnError> {
        self.bar.inc(1);
        self.source.for_each(take)
    }

    fn for_each_with_groups(&mut self, take: &mut GroupedSink<'_>) -> Result<(), LearnError> {
        self.bar.inc(1);
        self.source.for_each_with_groups(take)
    }
}

impl<P: Persons> Persons for Watched<'_, P> {
    fn for_each_block(&mut self, take: &mut PersonSink<'_>) -> Result<(), LearnError> {
        self.bar.inc(1);
        self.source.for_each_block(take)
    }
}
