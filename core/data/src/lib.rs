//! Data sets: IDX, CIFAR-10 and synthetic glyphs
