//! Session, catalog, planner rules, virtual tables and procedures.
