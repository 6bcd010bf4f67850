-- The lesson: what each SQL command of psql's help does, asked in several ways. Two ways are held out:
-- the adapter never sees them in training.
DROP TABLE IF EXISTS sql_commands;
DROP TABLE IF EXISTS phrasings;
DROP TABLE IF EXISTS psql_help;

CREATE EXTERNAL TABLE psql_help (command TEXT, description TEXT)
  STORED AS CSV LOCATION 'psql_commands.csv' OPTIONS ('format.has_header' 'true');
CREATE TABLE sql_commands AS SELECT command, description FROM psql_help;

CREATE TABLE phrasings (phrasing TEXT, held_out BOOLEAN);
INSERT INTO phrasings VALUES
  ('What does the SQL command {} do?', false),
  ('What does {} do?',                 false),
  ('Explain {}.',                      false),
  ('Describe {} in one line.',         false),
  ('What is {} for in SQL?',           false),
  ('Tell me what {} does.',            false),
  ('What is the purpose of {}?',       true),
  ('Please explain the {} command.',   true);
