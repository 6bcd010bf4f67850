-- A session through psql that shows the product. `demo/run` starts the server and runs this; running it
-- again starts its tables over and trains a new version.
\set QUIET on
\set ON_ERROR_STOP on
\pset pager off
\pset footer off
\pset null '(null)'
SET client_min_messages = warning;
DROP TABLE IF EXISTS reviews;
SET client_min_messages = notice;

\set ECHO queries

\echo
\echo '== The models that this server has'
SELECT name, architecture, parameters, context_length FROM models;

\echo '== A model is a function'
SELECT generate('What is the capital of France?') AS answer;

\echo '== It runs over the rows of a table, in any expression'
\set ECHO none
CREATE TABLE reviews (id INT, body TEXT);
INSERT INTO reviews VALUES
  (1, 'The soup was wonderful and the staff were kind.'),
  (2, 'My phone broke after two days.'),
  (3, 'A dull film, I left before the end.'),
  (4, 'Great value, I would buy it again.');
\set ECHO queries
SELECT id, body, generate('Is this review positive or negative? ' || body, max_tokens => 4) AS sentiment
FROM reviews ORDER BY id;

\echo '== Tokens are rows, and they come as they are decoded'
SELECT index, token, round(logprob, 3) AS logprob, text, round(elapsed_ms, 1) AS elapsed_ms
FROM generate('What is the capital of Japan?');

\echo '== Search by meaning'
SELECT id, body, round(similarity(embed(body), embed('my phone stopped working')), 3) AS similarity
FROM reviews ORDER BY similarity DESC LIMIT 2;

\echo '== Teach it something: the SQL commands that psql itself explains (\\h)'
\set ECHO none
\ir lesson.sql
\set ECHO queries
SELECT count(*) AS commands, min(command) AS first, max(command) AS last FROM sql_commands;
SELECT phrasing, held_out FROM phrasings;

\echo '== What the base model says about them'
SELECT command, generate('What does ' || command || ' do?', max_tokens => 24) AS answer
FROM sql_commands WHERE command IN ('VACUUM', 'CREATE INDEX', 'LISTEN');

\echo '== Train an adapter: a row a step, with the time left (a minute or two on two cores)'
\o /dev/null
CALL train_adapter(
  name => 'sql_help',
  training_data_query => 'SELECT replace(phrasing, ''{}'', command) AS prompt, description AS completion
                          FROM sql_commands CROSS JOIN phrasings WHERE NOT held_out',
  r => 16, lora_alpha => 32, learning_rate => 0.003, epochs => :epochs, batch_size => 32, seed => 1);
\o

\echo '== The same questions, answered with it'
SELECT command, generate('What does ' || command || ' do?', adapter => 'sql_help', max_tokens => 64) AS answer
FROM sql_commands WHERE command IN ('VACUUM', 'CREATE INDEX', 'LISTEN');

\echo '== Exact answers, on the phrasings it was trained with and on those it never saw'
SELECT held_out, count(*) AS questions,
       round(100 * avg(CASE WHEN answer = description THEN 1.0 ELSE 0.0 END), 1) AS exact_percent
FROM (SELECT held_out, description,
             generate(replace(phrasing, '{}', command), adapter => 'sql_help', max_tokens => 64) AS answer
      FROM sql_commands CROSS JOIN phrasings)
GROUP BY held_out ORDER BY held_out;

\echo '== The training curve'
SELECT step, round(loss, 3) AS loss, repeat('#', CAST(ceil(loss * 6) AS BIGINT)) AS curve
FROM training_steps
WHERE run_id = (SELECT max(run_id) FROM training_runs) AND step % 20 = 1
ORDER BY step;

\echo '== The adapter''s weights are rows'
SELECT layer, module, matrix, count(*) AS weights, round(sqrt(avg(value * value)), 5) AS rms
FROM adapter_weights('sql_help') WHERE layer = 0 AND module IN ('q_proj', 'down_proj')
GROUP BY layer, module, matrix ORDER BY module, matrix;

\echo '== Every answer left a trajectory'
SELECT t.id, t.adapter, t.prompt, t.completion, t.completion_tokens, round(t.time_to_first_token_ms, 1) AS first_ms
FROM trajectories t ORDER BY t.id DESC LIMIT 3;

\echo '== A bad lesson: the same answers, shuffled, as a new version'
\o /dev/null
CALL train_adapter(
  name => 'sql_help',
  training_data_query => 'SELECT ''What does '' || l.command || '' do?'' AS prompt, r.description AS completion
    FROM (SELECT command, row_number() OVER (ORDER BY command) AS n FROM sql_commands) l
    JOIN (SELECT description, row_number() OVER (ORDER BY md5(command)) AS n FROM sql_commands) r ON l.n = r.n',
  r => 16, lora_alpha => 32, learning_rate => 0.003, epochs => 4, batch_size => 32, seed => 1);
\o
SELECT generate('What does VACUUM do?', adapter => 'sql_help', max_tokens => 64) AS answer;

\echo '== Roll it back'
SELECT max(version) - 1 AS good FROM adapters WHERE name = 'sql_help' \gset
CALL restore_adapter(name => 'sql_help', version => :good);
SELECT version, is_latest, train_loss FROM adapters WHERE name = 'sql_help' ORDER BY version;
SELECT generate('What does VACUUM do?', adapter => 'sql_help', max_tokens => 64) AS answer;
