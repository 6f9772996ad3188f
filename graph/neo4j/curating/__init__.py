"""What people do in Neo4j Browser: edits by hand found, mistakes told, releases shown, foreign graphs taken on."""
