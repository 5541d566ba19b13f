"""Tables as SQLAlchemy reflects them, and a row through them."""

import os

from sqlalchemy import create_engine, text
from sqlalchemy.ext.automap import automap_base
from sqlalchemy.orm import Session

# [reflect]
engine = create_engine(os.environ["DATABASE_URL"])
Base = automap_base()
Base.prepare(autoload_with=engine)
Vpc, SecurityGroup = Base.classes.vpc, Base.classes.security_group

with Session(engine) as session:
    default = session.query(Vpc).filter_by(is_default=True).one()
    group = SecurityGroup(group_name="web", description="a web server", vpc_id=default.id)
    session.add(group)
    session.flush()
    applied = session.execute(text("SELECT * FROM iasql_apply()")).all()
    session.commit()
    session.refresh(group)
    print(group.group_id)
# [/reflect]
