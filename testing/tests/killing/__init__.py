"""Processes that are killed at any step of storing files for rows, and what has to be true afterwards.

A *trial* is one process, killed by SIGKILL at a boundary: before or after a statement or commit of the database, a hook of a
storage, a call of the operating system that changes files, or something sent to a server. Which one, and what the process
does until then, comes from its seed alone.

================  ======================================================================================
``boundaries``    where a process can be killed
``nursery``       a process that has imported everything, and forks those to be killed
``worlds``        what the applications have in common, and how to look at what their processes leave
``rows``          an application whose rows of SQLAlchemy have files
``documents``     one with documents of MongoEngine
``notes``         one without any ORM, which uses ``fs.unit()``
``steps``         random transactions over rows
``combinations``  databases and stores
``trial``         one kill, ``gc``, and the comparison of rows and store
================  ======================================================================================
"""
