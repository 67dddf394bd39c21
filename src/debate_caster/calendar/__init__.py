"""The calendar of recurring shows: which slot is next, what became of each, and starting every one of them once."""
