//! Carries plans out: each fault begins in its time, ends in its time, and all that have not ended end at a heal.

use std::cell::RefCell;
use std::rc::Rc;

use squall_clock::{Mono, Nanos};

use super::{Cast, Fault, FaultPlan, FaultStep};
use crate::theatre::Theatre;
use crate::world::World;

/// A fault as it was carried out, and whom it befell.
#[derive(Clone, PartialEq, Debug)]
pub struct FaultSpan {
    pub fault: Fault,
    pub machines: Vec<String>,
    pub from: Mono,
    /// The same as `from` for what happens in a moment; nothing while it lasts.
    pub until: Option<Mono>,
}

/// Ends a fault.
pub type Remedy<W = World> = Box<dyn FnOnce(&W)>;

/// The faults that have not ended, by number, and what ends them.
type Active<W> = Vec<(usize, Remedy<W>)>;

/// Carries faults out in one world and remembers those that have not ended.
#[derive(Clone)]
pub struct Faults<W = World> {
    world: W,
    active: Rc<RefCell<Active<W>>>,
    spans: Rc<RefCell<Vec<FaultSpan>>>,
    cast: Cast,
}

impl<W: Theatre> Faults<W> {
    pub fn of(world: &W) -> Faults<W> {
        let cast: Cast = Rc::new(|_| Vec::new());
        Faults { world: world.clone(), active: Rc::default(), spans: Rc::default(), cast }
    }

    /// Faults that may name parts, which `cast` gives to machines at the time.
    pub fn with_cast(self, cast: Cast) -> Faults<W> {
        Faults { cast, ..self }
    }

    /// Enters all steps of a plan, whose times count from now.
    pub fn schedule(&self, plan: &FaultPlan) -> Result<(), String> {
        for step in &plan.steps {
            step.fault.check(&self.world)?;
        }
        let start = self.world.now();
        for FaultStep { at, lasting, fault } in plan.steps.clone() {
            let faults = self.clone();
            self.world.at(start + at.0, move |_| {
                faults.begin(&fault, lasting.map(|span| span.0)).expect("the plan has been checked");
            });
        }
        Ok(())
    }

    /// Begins a fault now, and ends it after `lasting`.
    pub fn begin(&self, fault: &Fault, lasting: Option<Nanos>) -> Result<(), String> {
        fault.check(&self.world)?;
        let Some(fault) = fault.cast(&self.cast) else {
            self.world.note("*", format_args!("befalls nobody: {fault:?}"));
            return Ok(());
        };
        self.world.note("*", format_args!("begin {fault:?}"));
        let remedy = fault.inflict(&self.world)?;
        let (now, number) = (self.world.now(), self.spans.borrow().len());
        let until = remedy.is_none().then_some(now);
        let machines = fault.machines(&self.world);
        self.spans.borrow_mut().push(FaultSpan { fault: fault.clone(), machines, from: now, until });
        let Some(remedy) = remedy else { return Ok(()) };
        self.active.borrow_mut().push((number, remedy));
        if let Some(lasting) = lasting {
            let faults = self.clone();
            self.world.at(now + lasting, move |_| faults.end(number));
        }
        Ok(())
    }

    /// Ends all faults that have not ended, the latest first.
    pub fn heal_all(&self) {
        let active = std::mem::take(&mut *self.active.borrow_mut());
        if !active.is_empty() {
            self.world.note("*", format_args!("heal all"));
        }
        for (number, remedy) in active.into_iter().rev() {
            self.close(number);
            remedy(&self.world);
        }
    }

    /// All faults that have begun, in the order in which they did.
    pub fn spans(&self) -> Vec<FaultSpan> {
        self.spans.borrow().clone()
    }

    fn close(&self, number: usize) {
        self.spans.borrow_mut()[number].until = Some(self.world.now());
    }

    fn end(&self, number: usize) {
        let place = self.active.borrow().iter().position(|(other, _)| *other == number);
        if let Some(place) = place {
            let (_, remedy) = self.active.borrow_mut().remove(place);
            self.close(number);
            remedy(&self.world);
        }
    }
}
