"""The store's schema, as numbered steps. Steps are only ever added: a database of an older lcpp takes the later ones.

`PRAGMA user_version` is the number of steps that a database has taken, `application_id` says that it is ours.
"""

from __future__ import annotations

APPLICATION_ID = 0x6C637070  # "lcpp"

_FIRST = """
CREATE TABLE folders (name TEXT PRIMARY KEY, mtime_ns INTEGER NOT NULL) WITHOUT ROWID;

CREATE TABLE files (
    id INTEGER PRIMARY KEY,
    name TEXT NOT NULL UNIQUE,
    is_result INTEGER NOT NULL,
    problem TEXT
);

CREATE TABLE recipes (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE);

CREATE TABLE machines (
    id INTEGER PRIMARY KEY,
    fingerprint TEXT NOT NULL,
    name TEXT NOT NULL,
    UNIQUE (fingerprint, name)
);

CREATE TABLE engines (id INTEGER PRIMARY KEY, "commit" TEXT NOT NULL, build_number INTEGER NOT NULL,
    UNIQUE ("commit", build_number));

CREATE TABLE models (id INTEGER PRIMARY KEY, sha256 TEXT NOT NULL, name TEXT NOT NULL, UNIQUE (sha256, name));

CREATE TABLE configurations (
    id INTEGER PRIMARY KEY,
    sha256 TEXT NOT NULL UNIQUE,
    recipe_digest TEXT NOT NULL,
    settings TEXT NOT NULL,
    environment TEXT NOT NULL
);

CREATE TABLE configuration_values (
    configuration INTEGER NOT NULL REFERENCES configurations (id) ON DELETE CASCADE,
    kind TEXT NOT NULL CHECK (kind IN ('setting', 'environment')),
    key TEXT NOT NULL,
    value TEXT NOT NULL,
    number REAL,
    PRIMARY KEY (configuration, kind, key)
) WITHOUT ROWID;
CREATE INDEX configuration_values_by_key ON configuration_values (key, value, configuration);

CREATE TABLE results (
    number INTEGER PRIMARY KEY,
    id TEXT NOT NULL UNIQUE,
    file INTEGER NOT NULL REFERENCES files (id),
    recipe INTEGER NOT NULL REFERENCES recipes (id),
    machine INTEGER NOT NULL REFERENCES machines (id),
    engine INTEGER NOT NULL REFERENCES engines (id),
    model INTEGER NOT NULL REFERENCES models (id),
    configuration INTEGER NOT NULL REFERENCES configurations (id),
    program TEXT NOT NULL,
    started_at TEXT NOT NULL,
    status TEXT NOT NULL,
    experiment TEXT,
    case_number INTEGER NOT NULL,
    case_settings TEXT NOT NULL,
    round INTEGER NOT NULL,
    warmup INTEGER NOT NULL,
    disturbed TEXT,
    dummy INTEGER NOT NULL,
    text_sha256 TEXT,
    n_prompt REAL,
    n_gen REAL,
    prompt_per_second REAL,
    generation_per_second REAL,
    load_ms REAL,
    prompt_ms REAL,
    generation_ms REAL,
    sample_ms REAL,
    total_ms REAL,
    n_ctx REAL,
    weights_mib REAL,
    kv_cache_mib REAL,
    compute_mib REAL,
    output_mib REAL,
    peak_memory_bytes REAL,
    wall_s REAL,
    cpu_s REAL,
    perplexity REAL,
    bandwidth_share REAL,
    arithmetic_share REAL,
    other_figures TEXT
);
CREATE INDEX results_by_time ON results (started_at, id);
CREATE INDEX results_by_recipe ON results (recipe, started_at, id);
CREATE INDEX results_by_experiment ON results (experiment, case_number) WHERE experiment IS NOT NULL;
CREATE INDEX results_by_file ON results (file);
CREATE INDEX results_by_machine ON results (machine);
CREATE INDEX results_by_engine ON results (engine);
CREATE INDEX results_by_model ON results (model);
CREATE INDEX results_by_configuration ON results (configuration);

CREATE VIEW runs AS
SELECT
    results.id, recipes.name AS recipe, results.started_at, results.status, results.program,
    engines."commit", nullif(engines.build_number, -1) AS build_number,
    models.name AS model, machines.name AS machine,
    results.generation_per_second, results.prompt_per_second, results.load_ms, results.peak_memory_bytes,
    results.wall_s, results.bandwidth_share, results.experiment, results.case_number, results.case_settings,
    results.round, results.warmup,
    results.disturbed, results.dummy, results.text_sha256, configurations.settings, configurations.environment,
    models.sha256 AS model_sha256, machines.fingerprint AS machine_fingerprint, files.name AS file
FROM results
    JOIN recipes ON recipes.id = results.recipe
    JOIN engines ON engines.id = results.engine
    JOIN models ON models.id = results.model
    JOIN machines ON machines.id = results.machine
    JOIN configurations ON configurations.id = results.configuration
    JOIN files ON files.id = results.file;
"""

MIGRATIONS: tuple[str, ...] = (_FIRST,)
