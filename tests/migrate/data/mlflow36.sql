CREATE TABLE experiments (
  experiment_id INTEGER NOT NULL, 
  name VARCHAR(256) NOT NULL, 
  artifact_location VARCHAR(256), 
  lifecycle_stage VARCHAR(32), creation_time BIGINT, last_update_time BIGINT, 
  CONSTRAINT experiment_pk PRIMARY KEY (experiment_id), 
  CONSTRAINT experiments_lifecycle_stage CHECK (lifecycle_stage IN ('active', 'deleted')), 
  UNIQUE (name)
);
INSERT INTO experiments VALUES(0,'Default','/srv/team/mlruns/0','active',1795456314188,1795456314188);
INSERT INTO experiments VALUES(1,'sweep/one','/srv/team/mlruns/1','active',1795456314191,1795456314191);
INSERT INTO experiments VALUES(2,'gone','/srv/team/mlruns/2','deleted',1795456314205,1795456314874);
CREATE TABLE experiment_tags (
  "key" VARCHAR(250) NOT NULL, 
  value VARCHAR(5000), 
  experiment_id INTEGER NOT NULL, 
  CONSTRAINT experiment_tag_pk PRIMARY KEY ("key", experiment_id), 
  FOREIGN KEY(experiment_id) REFERENCES experiments (experiment_id)
);
INSERT INTO experiment_tags VALUES('team','a',1);
INSERT INTO experiment_tags VALUES('note one','x',1);
CREATE TABLE "runs" (
  run_uuid VARCHAR(32) NOT NULL, 
  name VARCHAR(250), 
  source_type VARCHAR(20), 
  source_name VARCHAR(500), 
  entry_point_name VARCHAR(50), 
  user_id VARCHAR(256), 
  status VARCHAR(9), 
  start_time BIGINT, 
  end_time BIGINT, 
  source_version VARCHAR(50), 
  lifecycle_stage VARCHAR(20), 
  artifact_uri VARCHAR(200), 
  experiment_id INTEGER, deleted_time BIGINT, 
  CONSTRAINT run_pk PRIMARY KEY (run_uuid), 
  CONSTRAINT source_type CHECK (source_type IN ('NOTEBOOK', 'JOB', 'LOCAL', 'UNKNOWN', 'PROJECT')), 
  CONSTRAINT runs_lifecycle_stage CHECK (lifecycle_stage IN ('active', 'deleted')), 
  FOREIGN KEY(experiment_id) REFERENCES experiments (experiment_id), 
  CHECK (status IN ('SCHEDULED', 'FAILED', 'FINISHED', 'RUNNING', 'KILLED'))
);
INSERT INTO runs VALUES('1134eb8999814503acea5e1f2eaa4075','r0','UNKNOWN','','','root','FINISHED',1795456314392,1795456314651,'','active','/srv/team/mlruns/1/1134eb8999814503acea5e1f2eaa4075/artifacts',1,NULL);
INSERT INTO runs VALUES('a0c028c1dadc459c8cb16753aa055ff9','child','UNKNOWN','','','root','FINISHED',1795456314587,1795456314600,'','active','/srv/team/mlruns/1/a0c028c1dadc459c8cb16753aa055ff9/artifacts',1,NULL);
INSERT INTO runs VALUES('af4625bd60c1477295ad054ed2ba6855','r1','UNKNOWN','','','root','FINISHED',1795456314657,1795456314850,'','deleted','/srv/team/mlruns/1/af4625bd60c1477295ad054ed2ba6855/artifacts',1,1795456314854);
INSERT INTO runs VALUES('4f5a60d5024a424ca801d5c9cc42ecfc','child','UNKNOWN','','','root','FINISHED',1795456314803,1795456314814,'','active','/srv/team/mlruns/1/4f5a60d5024a424ca801d5c9cc42ecfc/artifacts',1,NULL);
INSERT INTO runs VALUES('2c81a1a48513469ea1478e07bc05edf6','youthful-slug-218','UNKNOWN','','','root','FINISHED',1795456314858,1795456314869,'','deleted','/srv/team/mlruns/2/2c81a1a48513469ea1478e07bc05edf6/artifacts',2,1795456314876);
CREATE TABLE "params" (
  "key" VARCHAR(250) NOT NULL, 
  value VARCHAR(8000) NOT NULL, 
  run_uuid VARCHAR(32) NOT NULL, 
  CONSTRAINT param_pk PRIMARY KEY ("key", run_uuid), 
  FOREIGN KEY(run_uuid) REFERENCES runs (run_uuid)
);
INSERT INTO params VALUES('lr','0.0','1134eb8999814503acea5e1f2eaa4075');
INSERT INTO params VALUES('opt','a''b
c: é','1134eb8999814503acea5e1f2eaa4075');
INSERT INTO params VALUES('lr','0.1','af4625bd60c1477295ad054ed2ba6855');
INSERT INTO params VALUES('opt','a''b
c: é','af4625bd60c1477295ad054ed2ba6855');
CREATE TABLE "tags" (
  "key" VARCHAR(250) NOT NULL, 
  value VARCHAR(8000), 
  run_uuid VARCHAR(32) NOT NULL, 
  CONSTRAINT tag_pk PRIMARY KEY ("key", run_uuid), 
  FOREIGN KEY(run_uuid) REFERENCES runs (run_uuid)
);
INSERT INTO tags VALUES('mlflow.user','root','1134eb8999814503acea5e1f2eaa4075');
INSERT INTO tags VALUES('mlflow.source.name','train.py','1134eb8999814503acea5e1f2eaa4075');
INSERT INTO tags VALUES('mlflow.source.type','LOCAL','1134eb8999814503acea5e1f2eaa4075');
INSERT INTO tags VALUES('mlflow.note.content','hello
world: [x]','1134eb8999814503acea5e1f2eaa4075');
INSERT INTO tags VALUES('mlflow.runName','r0','1134eb8999814503acea5e1f2eaa4075');
INSERT INTO tags VALUES('t','multi
line','1134eb8999814503acea5e1f2eaa4075');
INSERT INTO tags VALUES('empty','','1134eb8999814503acea5e1f2eaa4075');
INSERT INTO tags VALUES('mlflow.user','root','a0c028c1dadc459c8cb16753aa055ff9');
INSERT INTO tags VALUES('mlflow.source.name','train.py','a0c028c1dadc459c8cb16753aa055ff9');
INSERT INTO tags VALUES('mlflow.source.type','LOCAL','a0c028c1dadc459c8cb16753aa055ff9');
INSERT INTO tags VALUES('mlflow.parentRunId','1134eb8999814503acea5e1f2eaa4075','a0c028c1dadc459c8cb16753aa055ff9');
INSERT INTO tags VALUES('mlflow.runName','child','a0c028c1dadc459c8cb16753aa055ff9');
INSERT INTO tags VALUES('mlflow.user','root','af4625bd60c1477295ad054ed2ba6855');
INSERT INTO tags VALUES('mlflow.source.name','train.py','af4625bd60c1477295ad054ed2ba6855');
INSERT INTO tags VALUES('mlflow.source.type','LOCAL','af4625bd60c1477295ad054ed2ba6855');
INSERT INTO tags VALUES('mlflow.note.content','hello
world: [x]','af4625bd60c1477295ad054ed2ba6855');
INSERT INTO tags VALUES('mlflow.runName','r1','af4625bd60c1477295ad054ed2ba6855');
INSERT INTO tags VALUES('t','multi
line','af4625bd60c1477295ad054ed2ba6855');
INSERT INTO tags VALUES('empty','','af4625bd60c1477295ad054ed2ba6855');
INSERT INTO tags VALUES('mlflow.user','root','4f5a60d5024a424ca801d5c9cc42ecfc');
INSERT INTO tags VALUES('mlflow.source.name','train.py','4f5a60d5024a424ca801d5c9cc42ecfc');
INSERT INTO tags VALUES('mlflow.source.type','LOCAL','4f5a60d5024a424ca801d5c9cc42ecfc');
INSERT INTO tags VALUES('mlflow.parentRunId','af4625bd60c1477295ad054ed2ba6855','4f5a60d5024a424ca801d5c9cc42ecfc');
INSERT INTO tags VALUES('mlflow.runName','child','4f5a60d5024a424ca801d5c9cc42ecfc');
INSERT INTO tags VALUES('mlflow.user','root','2c81a1a48513469ea1478e07bc05edf6');
INSERT INTO tags VALUES('mlflow.source.name','train.py','2c81a1a48513469ea1478e07bc05edf6');
INSERT INTO tags VALUES('mlflow.source.type','LOCAL','2c81a1a48513469ea1478e07bc05edf6');
INSERT INTO tags VALUES('mlflow.runName','youthful-slug-218','2c81a1a48513469ea1478e07bc05edf6');
CREATE TABLE "metrics" (
  "key" VARCHAR(250) NOT NULL, 
  value FLOAT NOT NULL, 
  timestamp BIGINT NOT NULL, 
  run_uuid VARCHAR(32) NOT NULL, 
  step BIGINT DEFAULT '0' NOT NULL, 
  is_nan BOOLEAN DEFAULT '0' NOT NULL, 
  CONSTRAINT metric_pk PRIMARY KEY ("key", timestamp, step, run_uuid, value, is_nan), 
  FOREIGN KEY(run_uuid) REFERENCES runs (run_uuid), 
  CHECK (is_nan IN (0, 1))
);
INSERT INTO metrics VALUES('val/loss',1.0,1795456314426,'1134eb8999814503acea5e1f2eaa4075',0,0);
INSERT INTO metrics VALUES('val/loss',0.5,1795456314434,'1134eb8999814503acea5e1f2eaa4075',1,0);
INSERT INTO metrics VALUES('val/loss',0.3333333333333333,1795456314442,'1134eb8999814503acea5e1f2eaa4075',2,0);
INSERT INTO metrics VALUES('val/loss',0.25,1795456314448,'1134eb8999814503acea5e1f2eaa4075',3,0);
INSERT INTO metrics VALUES('val/loss',0.2,1795456314453,'1134eb8999814503acea5e1f2eaa4075',4,0);
INSERT INTO metrics VALUES('val/loss',0.16666666666666666,1795456314458,'1134eb8999814503acea5e1f2eaa4075',5,0);
INSERT INTO metrics VALUES('val/loss',0.14285714285714285,1795456314463,'1134eb8999814503acea5e1f2eaa4075',6,0);
INSERT INTO metrics VALUES('val/loss',0.125,1795456314468,'1134eb8999814503acea5e1f2eaa4075',7,0);
INSERT INTO metrics VALUES('val/loss',0.1111111111111111,1795456314473,'1134eb8999814503acea5e1f2eaa4075',8,0);
INSERT INTO metrics VALUES('val/loss',0.1,1795456314477,'1134eb8999814503acea5e1f2eaa4075',9,0);
INSERT INTO metrics VALUES('val/loss',0.09090909090909091,1795456314481,'1134eb8999814503acea5e1f2eaa4075',10,0);
INSERT INTO metrics VALUES('val/loss',0.08333333333333333,1795456314486,'1134eb8999814503acea5e1f2eaa4075',11,0);
INSERT INTO metrics VALUES('val/loss',0.07692307692307693,1795456314490,'1134eb8999814503acea5e1f2eaa4075',12,0);
INSERT INTO metrics VALUES('val/loss',0.07142857142857142,1795456314495,'1134eb8999814503acea5e1f2eaa4075',13,0);
INSERT INTO metrics VALUES('val/loss',0.06666666666666667,1795456314500,'1134eb8999814503acea5e1f2eaa4075',14,0);
INSERT INTO metrics VALUES('val/loss',0.0625,1795456314505,'1134eb8999814503acea5e1f2eaa4075',15,0);
INSERT INTO metrics VALUES('val/loss',0.058823529411764705,1795456314510,'1134eb8999814503acea5e1f2eaa4075',16,0);
INSERT INTO metrics VALUES('val/loss',0.05555555555555555,1795456314514,'1134eb8999814503acea5e1f2eaa4075',17,0);
INSERT INTO metrics VALUES('val/loss',0.05263157894736842,1795456314519,'1134eb8999814503acea5e1f2eaa4075',18,0);
INSERT INTO metrics VALUES('val/loss',0.05,1795456314523,'1134eb8999814503acea5e1f2eaa4075',19,0);
INSERT INTO metrics VALUES('nan',0.0,1795456314528,'1134eb8999814503acea5e1f2eaa4075',0,1);
INSERT INTO metrics VALUES('inf',1.7976931348623157e+308,1795456314532,'1134eb8999814503acea5e1f2eaa4075',0,0);
INSERT INTO metrics VALUES('neg',-1.7976931348623157e+308,1795456314537,'1134eb8999814503acea5e1f2eaa4075',0,0);
INSERT INTO metrics VALUES('withds',0.5,1795456314581,'1134eb8999814503acea5e1f2eaa4075',3,0);
INSERT INTO metrics VALUES('x',1.0,1795456314595,'a0c028c1dadc459c8cb16753aa055ff9',0,0);
INSERT INTO metrics VALUES('acc',0.7,1795456314633,'1134eb8999814503acea5e1f2eaa4075',1,0);
INSERT INTO metrics VALUES('val/loss',1.0,1795456314672,'af4625bd60c1477295ad054ed2ba6855',0,0);
INSERT INTO metrics VALUES('val/loss',0.5,1795456314676,'af4625bd60c1477295ad054ed2ba6855',1,0);
INSERT INTO metrics VALUES('val/loss',0.3333333333333333,1795456314681,'af4625bd60c1477295ad054ed2ba6855',2,0);
INSERT INTO metrics VALUES('val/loss',0.25,1795456314685,'af4625bd60c1477295ad054ed2ba6855',3,0);
INSERT INTO metrics VALUES('val/loss',0.2,1795456314689,'af4625bd60c1477295ad054ed2ba6855',4,0);
INSERT INTO metrics VALUES('val/loss',0.16666666666666666,1795456314694,'af4625bd60c1477295ad054ed2ba6855',5,0);
INSERT INTO metrics VALUES('val/loss',0.14285714285714285,1795456314698,'af4625bd60c1477295ad054ed2ba6855',6,0);
INSERT INTO metrics VALUES('val/loss',0.125,1795456314703,'af4625bd60c1477295ad054ed2ba6855',7,0);
INSERT INTO metrics VALUES('val/loss',0.1111111111111111,1795456314707,'af4625bd60c1477295ad054ed2ba6855',8,0);
INSERT INTO metrics VALUES('val/loss',0.1,1795456314712,'af4625bd60c1477295ad054ed2ba6855',9,0);
INSERT INTO metrics VALUES('val/loss',0.09090909090909091,1795456314716,'af4625bd60c1477295ad054ed2ba6855',10,0);
INSERT INTO metrics VALUES('val/loss',0.08333333333333333,1795456314721,'af4625bd60c1477295ad054ed2ba6855',11,0);
INSERT INTO metrics VALUES('val/loss',0.07692307692307693,1795456314725,'af4625bd60c1477295ad054ed2ba6855',12,0);
INSERT INTO metrics VALUES('val/loss',0.07142857142857142,1795456314729,'af4625bd60c1477295ad054ed2ba6855',13,0);
INSERT INTO metrics VALUES('val/loss',0.06666666666666667,1795456314734,'af4625bd60c1477295ad054ed2ba6855',14,0);
INSERT INTO metrics VALUES('val/loss',0.0625,1795456314738,'af4625bd60c1477295ad054ed2ba6855',15,0);
INSERT INTO metrics VALUES('val/loss',0.058823529411764705,1795456314743,'af4625bd60c1477295ad054ed2ba6855',16,0);
INSERT INTO metrics VALUES('val/loss',0.05555555555555555,1795456314747,'af4625bd60c1477295ad054ed2ba6855',17,0);
INSERT INTO metrics VALUES('val/loss',0.05263157894736842,1795456314752,'af4625bd60c1477295ad054ed2ba6855',18,0);
INSERT INTO metrics VALUES('val/loss',0.05,1795456314756,'af4625bd60c1477295ad054ed2ba6855',19,0);
INSERT INTO metrics VALUES('nan',0.0,1795456314761,'af4625bd60c1477295ad054ed2ba6855',0,1);
INSERT INTO metrics VALUES('inf',1.7976931348623157e+308,1795456314765,'af4625bd60c1477295ad054ed2ba6855',0,0);
INSERT INTO metrics VALUES('neg',-1.7976931348623157e+308,1795456314768,'af4625bd60c1477295ad054ed2ba6855',0,0);
INSERT INTO metrics VALUES('withds',0.5,1795456314798,'af4625bd60c1477295ad054ed2ba6855',3,0);
INSERT INTO metrics VALUES('x',1.0,1795456314810,'4f5a60d5024a424ca801d5c9cc42ecfc',0,0);
INSERT INTO metrics VALUES('acc',0.7,1795456314836,'af4625bd60c1477295ad054ed2ba6855',1,0);
INSERT INTO metrics VALUES('q',1.0,1795456314865,'2c81a1a48513469ea1478e07bc05edf6',0,0);
CREATE TABLE "datasets" (
  dataset_uuid VARCHAR(36) NOT NULL, 
  experiment_id INTEGER NOT NULL, 
  name VARCHAR(500) NOT NULL, 
  digest VARCHAR(36) NOT NULL, 
  dataset_source_type VARCHAR(36) NOT NULL, 
  dataset_source TEXT NOT NULL, 
  dataset_schema TEXT, 
  dataset_profile TEXT, 
  CONSTRAINT dataset_pk PRIMARY KEY (experiment_id, name, digest), 
  CONSTRAINT fk_datasets_experiment_id_experiments FOREIGN KEY(experiment_id) REFERENCES experiments (experiment_id) ON DELETE CASCADE
);
INSERT INTO datasets VALUES('8833f26cc4a349d98de533e9703e88cd',1,'df','d1dacd71','code','{"tags": {"mlflow.user": "root", "mlflow.source.name": "train.py", "mlflow.source.type": "LOCAL"}}','{"mlflow_colspec": [{"type": "long", "name": "a", "required": true}]}','{"num_rows": 3, "num_elements": 3}');
INSERT INTO datasets VALUES('7cf0753d2c984b0d8438ba955304b6f5',1,'df','caecf8d5','code','{"tags": {"mlflow.user": "root", "mlflow.source.name": "train.py", "mlflow.source.type": "LOCAL"}}','{"mlflow_colspec": [{"type": "long", "name": "a", "required": true}]}','{"num_rows": 3, "num_elements": 3}');
CREATE TABLE inputs (
  input_uuid VARCHAR(36) NOT NULL, 
  source_type VARCHAR(36) NOT NULL, 
  source_id VARCHAR(36) NOT NULL, 
  destination_type VARCHAR(36) NOT NULL, 
  destination_id VARCHAR(36) NOT NULL, step BIGINT DEFAULT '0' NOT NULL, 
  CONSTRAINT inputs_pk PRIMARY KEY (source_type, source_id, destination_type, destination_id)
);
INSERT INTO inputs VALUES('898f7725552c41339813828bfad6e15c','DATASET','8833f26cc4a349d98de533e9703e88cd','RUN','1134eb8999814503acea5e1f2eaa4075',0);
INSERT INTO inputs VALUES('6ea66299c6fe47f4bff800315f657aee','RUN_INPUT','1134eb8999814503acea5e1f2eaa4075','MODEL_INPUT','m-b534ca9062094a7888c38d1ab499550f',0);
INSERT INTO inputs VALUES('fecaeb39ddcb439f834fd37b80014c52','RUN_OUTPUT','1134eb8999814503acea5e1f2eaa4075','MODEL_OUTPUT','m-b534ca9062094a7888c38d1ab499550f',1);
INSERT INTO inputs VALUES('3bef26a68e3b48c1a04d2613f57afbdc','DATASET','7cf0753d2c984b0d8438ba955304b6f5','RUN','af4625bd60c1477295ad054ed2ba6855',0);
INSERT INTO inputs VALUES('1f879ef02057417eb6a9435e173086f4','RUN_INPUT','af4625bd60c1477295ad054ed2ba6855','MODEL_INPUT','m-588223d3c02e4a16af06f4d033e4b412',0);
INSERT INTO inputs VALUES('d724540da99640e28db23dd83abdb2dc','RUN_OUTPUT','af4625bd60c1477295ad054ed2ba6855','MODEL_OUTPUT','m-588223d3c02e4a16af06f4d033e4b412',1);
CREATE TABLE input_tags (
  input_uuid VARCHAR(36) NOT NULL, 
  name VARCHAR(255) NOT NULL, 
  value VARCHAR(500) NOT NULL, 
  CONSTRAINT input_tags_pk PRIMARY KEY (input_uuid, name)
);
INSERT INTO input_tags VALUES('898f7725552c41339813828bfad6e15c','k','v');
INSERT INTO input_tags VALUES('898f7725552c41339813828bfad6e15c','mlflow.data.context','train');
INSERT INTO input_tags VALUES('3bef26a68e3b48c1a04d2613f57afbdc','k','v');
INSERT INTO input_tags VALUES('3bef26a68e3b48c1a04d2613f57afbdc','mlflow.data.context','train');
CREATE TABLE logged_models (
  model_id VARCHAR(36) NOT NULL, 
  experiment_id INTEGER NOT NULL, 
  name VARCHAR(500) NOT NULL, 
  artifact_location VARCHAR(1000) NOT NULL, 
  creation_timestamp_ms BIGINT NOT NULL, 
  last_updated_timestamp_ms BIGINT NOT NULL, 
  status INTEGER NOT NULL, 
  lifecycle_stage VARCHAR(32), 
  model_type VARCHAR(500), 
  source_run_id VARCHAR(32), 
  status_message VARCHAR(1000), 
  CONSTRAINT logged_models_pk PRIMARY KEY (model_id), 
  CONSTRAINT logged_models_lifecycle_stage_check CHECK (lifecycle_stage IN ('active', 'deleted')), 
  CONSTRAINT fk_logged_models_experiment_id FOREIGN KEY(experiment_id) REFERENCES experiments (experiment_id) ON DELETE CASCADE
);
INSERT INTO logged_models VALUES('m-b534ca9062094a7888c38d1ab499550f',1,'mod','/srv/team/mlruns/1/models/m-b534ca9062094a7888c38d1ab499550f/artifacts',1795456314615,1795456314643,2,'active','agent','1134eb8999814503acea5e1f2eaa4075',NULL);
INSERT INTO logged_models VALUES('m-588223d3c02e4a16af06f4d033e4b412',1,'mod','/srv/team/mlruns/1/models/m-588223d3c02e4a16af06f4d033e4b412/artifacts',1795456314822,1795456314843,2,'active','agent','af4625bd60c1477295ad054ed2ba6855',NULL);
CREATE TABLE logged_model_params (
  model_id VARCHAR(36) NOT NULL, 
  experiment_id INTEGER NOT NULL, 
  param_key VARCHAR(255) NOT NULL, 
  param_value TEXT NOT NULL, 
  CONSTRAINT logged_model_params_pk PRIMARY KEY (model_id, param_key), 
  CONSTRAINT fk_logged_model_params_experiment_id FOREIGN KEY(experiment_id) REFERENCES experiments (experiment_id), 
  CONSTRAINT fk_logged_model_params_model_id FOREIGN KEY(model_id) REFERENCES logged_models (model_id) ON DELETE CASCADE
);
INSERT INTO logged_model_params VALUES('m-b534ca9062094a7888c38d1ab499550f',1,'p','1');
INSERT INTO logged_model_params VALUES('m-588223d3c02e4a16af06f4d033e4b412',1,'p','1');
CREATE TABLE logged_model_tags (
  model_id VARCHAR(36) NOT NULL, 
  experiment_id INTEGER NOT NULL, 
  tag_key VARCHAR(255) NOT NULL, 
  tag_value TEXT NOT NULL, 
  CONSTRAINT logged_model_tags_pk PRIMARY KEY (model_id, tag_key), 
  CONSTRAINT fk_logged_model_tags_experiment_id FOREIGN KEY(experiment_id) REFERENCES experiments (experiment_id), 
  CONSTRAINT fk_logged_model_tags_model_id FOREIGN KEY(model_id) REFERENCES logged_models (model_id) ON DELETE CASCADE
);
INSERT INTO logged_model_tags VALUES('m-b534ca9062094a7888c38d1ab499550f',1,'mlflow.user','root');
INSERT INTO logged_model_tags VALUES('m-b534ca9062094a7888c38d1ab499550f',1,'mlflow.source.name','train.py');
INSERT INTO logged_model_tags VALUES('m-b534ca9062094a7888c38d1ab499550f',1,'mlflow.source.type','LOCAL');
INSERT INTO logged_model_tags VALUES('m-b534ca9062094a7888c38d1ab499550f',1,'a','b');
INSERT INTO logged_model_tags VALUES('m-588223d3c02e4a16af06f4d033e4b412',1,'mlflow.user','root');
INSERT INTO logged_model_tags VALUES('m-588223d3c02e4a16af06f4d033e4b412',1,'mlflow.source.name','train.py');
INSERT INTO logged_model_tags VALUES('m-588223d3c02e4a16af06f4d033e4b412',1,'mlflow.source.type','LOCAL');
INSERT INTO logged_model_tags VALUES('m-588223d3c02e4a16af06f4d033e4b412',1,'a','b');
CREATE TABLE logged_model_metrics (
  model_id VARCHAR(36) NOT NULL, 
  metric_name VARCHAR(500) NOT NULL, 
  metric_timestamp_ms BIGINT NOT NULL, 
  metric_step BIGINT NOT NULL, 
  metric_value FLOAT, 
  experiment_id INTEGER NOT NULL, 
  run_id VARCHAR(32) NOT NULL, 
  dataset_uuid VARCHAR(36), 
  dataset_name VARCHAR(500), 
  dataset_digest VARCHAR(36), 
  CONSTRAINT logged_model_metrics_pk PRIMARY KEY (model_id, metric_name, metric_timestamp_ms, metric_step, run_id), 
  CONSTRAINT fk_logged_model_metrics_experiment_id FOREIGN KEY(experiment_id) REFERENCES experiments (experiment_id), 
  CONSTRAINT fk_logged_model_metrics_model_id FOREIGN KEY(model_id) REFERENCES logged_models (model_id) ON DELETE CASCADE, 
  CONSTRAINT fk_logged_model_metrics_run_id FOREIGN KEY(run_id) REFERENCES runs (run_uuid) ON DELETE CASCADE
);
INSERT INTO logged_model_metrics VALUES('m-b534ca9062094a7888c38d1ab499550f','acc',1795456314633,1,0.7,1,'1134eb8999814503acea5e1f2eaa4075',NULL,'df','d1dacd71');
INSERT INTO logged_model_metrics VALUES('m-588223d3c02e4a16af06f4d033e4b412','acc',1795456314836,1,0.7,1,'af4625bd60c1477295ad054ed2ba6855',NULL,'df','caecf8d5');
