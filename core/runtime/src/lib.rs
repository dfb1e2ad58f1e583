//! Plugin host, device session and ledger, trainer, run directory
