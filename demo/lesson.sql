-- The lesson: what each SQL command of psql's help does, asked in several ways. Four ways are held
-- out: the adapter never sees them in training.
SET client_min_messages = warning;
DROP TABLE IF EXISTS sql_commands;
DROP TABLE IF EXISTS phrasings;
DROP TABLE IF EXISTS psql_help;
RESET client_min_messages;

CREATE EXTERNAL TABLE psql_help (command TEXT, description TEXT)
  STORED AS CSV LOCATION 'psql_commands.csv' OPTIONS ('format.has_header' 'true');
CREATE TABLE sql_commands AS SELECT command, description FROM psql_help;

CREATE TABLE phrasings (phrasing TEXT, held_out BOOLEAN);
INSERT INTO phrasings VALUES
  ('What does {} do?',                      false),
  ('Describe {}.',                          false),
  ('{}',                                    false),
  ('What is {} for?',                       false),
  ('Explain {}.',                           false),
  ('In one line, what does {} do?',         false),
  ('{}: description',                       false),
  ('Tell me what {} does.',                 false),
  ('What is the {} command used for?',      true),
  ('Please explain what {} does.',          true),
  ('Give me a short description of {}.',    true),
  ('what does {} do',                       true);
